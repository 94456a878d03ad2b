"""Every key of the dashboard: its id, what it does in words, and where it works. Bindings, help, palette and documentation are made from it."""

from collections.abc import Iterable
from dataclasses import dataclass

from textual.binding import Binding, BindingType


@dataclass(frozen=True)
class Key:
    """One thing that a key does."""

    id: str
    keys: str
    """Names as Textual has them, the first one is shown."""
    action: str
    text: str
    where: tuple[str, ...]
    """Screens on which it works; empty is all."""
    hint: str = ""
    """A word for the line at the bottom; empty: not there."""

    @property
    def label(self) -> str:
        """The first key as people write it."""
        return self.keys_text.partition(" ")[0]

    @property
    def keys_text(self) -> str:
        """All its keys as people write them."""
        return " ".join(_LABELS.get(name, name) for name in self.keys.split(","))


_LABELS = {
    "colon": ":",
    "slash": "/",
    "question_mark": "?",
    "escape": "esc",
}

KEYS: tuple[Key, ...] = (
    Key("open", "enter", "open", "Open what the cursor is on", ("queue", "issue"), "open"),
    Key("back", "escape,q", "back", "Back; never leaves the dashboard", (), "back"),
    Key("log", "l", "log", "Live log of the newest attempt", ("queue", "issue"), "log"),
    Key("answer", "a", "answer", "Answer the question that is open", ("queue", "issue", "session"), "answer"),
    Key("steer", "s", "steer", "Say something to the agent at work", ("queue", "issue", "session")),
    Key("follow", "f", "follow", "Follow the end of the log, or stop", ("session",), "follow"),
    Key("wrap", "w", "wrap", "Wrap long lines, or cut them", ("session",), "wrap"),
    Key("previous", "p", "previous", "Log of the attempt before, then round again", ("session",), "previous"),
    Key("json", "y", "json", "The row as JSON", ("queue", "issue", "session"), "json"),
    Key(
        "filter",
        "slash",
        "filter",
        "Filter: words that all must hold; state:failed, !word, regular expressions",
        ("queue", "issue"),
        "filter",
    ),
    Key("command", "colon", "command", "Command: queue, issue ID, session ID, help, quit", (), "command"),
    Key("help", "question_mark", "help", "These keys; enter runs one", (), "keys"),
    Key("down", "j,down", "cursor('move', 1)", "Down", ("queue", "issue", "session")),
    Key("up", "k,up", "cursor('move', -1)", "Up", ("queue", "issue", "session")),
    Key("first", "g,home", "cursor('go', 0)", "First line", ("queue", "issue", "session")),
    Key("last", "G,end", "cursor('go', -1)", "Last line", ("queue", "issue", "session")),
    Key("page_down", "pagedown,ctrl+f", "cursor('page', 1)", "A page down", ("queue", "issue", "session")),
    Key("page_up", "pageup,ctrl+b", "cursor('page', -1)", "A page up", ("queue", "issue", "session")),
    Key("resync", "ctrl+r", "app.resync", "Read everything again; connect at once", ()),
    Key("screenshot", "P", "app.picture", "Save the screen as SVG", ()),
    Key("palette", "ctrl+p,ctrl+k", "app.command_palette", "Palette: every command by name", ()),
    Key("quit", "ctrl+q", "app.quit", "Leave the dashboard; the daemon goes on", ()),
)
"""In the order in which help shows them."""


def on(where: str) -> tuple[Key, ...]:
    """The keys that work on a screen."""
    return tuple(key for key in KEYS if not key.where or where in key.where)


def bindings(where: str) -> list[BindingType]:
    """What Textual binds on a screen."""
    return [Binding(key.keys, key.action, key.text, show=False, id=f"rig.{key.id}") for key in on(where)]


def clashes(keys: Iterable[Key] = KEYS) -> list[tuple[str, str]]:
    """Pairs of ids that want one key on one screen."""
    found = []
    all_keys = list(keys)
    for index, one in enumerate(all_keys):
        for other in all_keys[index + 1 :]:
            together = not one.where or not other.where or set(one.where) & set(other.where)
            if together and set(one.keys.split(",")) & set(other.keys.split(",")):
                found.append((one.id, other.id))
    return found


def table() -> list[str]:
    """The keys as docs/dashboard.md has them."""
    rows = ["| key | id | what it does | where |", "|---|---|---|---|"]
    for key in KEYS:
        names = " ".join(f"`{name}`" for name in key.keys_text.split())
        rows.append(f"| {names} | `{key.id}` | {key.text} | {', '.join(key.where) or 'everywhere'} |")
    return rows
