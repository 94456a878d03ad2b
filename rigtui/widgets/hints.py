"""The line at the bottom: which keys work here, or what there is to say."""

from textual.strip import Strip

from rigtui.keymap import Key
from rigtui.text import fit, plain, width
from rigtui.widgets.lines import Lines, Span

SAID = 6.0
"""Seconds for which a message stays."""


class Hints(Lines, can_focus=False):
    """Keys of a screen; ``say`` puts a message in their place for a while."""

    DEFAULT_CSS = "Hints { height: 1; background: $panel; overflow: hidden; }"

    def __init__(self, keys: tuple[Key, ...]) -> None:
        super().__init__()
        self._keys = [key for key in keys if key.hint]
        self._said: Span | None = None
        self.note = ""
        """What stands at the right end, such as a filter that is on."""

    def say(self, text: str, tone: str = "text") -> None:
        """Show a message; it is cleaned here."""
        self._said = (plain(text, 300), tone)
        self.set_timer(SAID, self._silent)
        self.refresh()

    def set_note(self, note: str) -> None:
        """Put a short text at the right end, or take it away."""
        if note != self.note:
            self.note = note
            self.refresh()

    def _silent(self) -> None:
        self._said = None
        self.refresh()

    def render_line(self, y: int) -> Strip:
        cells = self.size.width
        if self._said is not None:
            return self.strip_of([(fit(f" {self._said[0]}", cells), self._said[1])], cells)
        note = f" {plain(self.note, 60)} " if self.note else ""
        room = cells - width(note) - 1
        spans: list[Span] = [(" ", "text")]
        for key in self._keys:
            need = width(key.label) + width(key.hint) + 3
            if need > room:
                break
            spans += [(key.label, "accent"), (f" {key.hint}  ", "muted")]
            room -= need
        return self.strip_of([*spans, (" " * room, "text"), (note, "warn")], cells)
