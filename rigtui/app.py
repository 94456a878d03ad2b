"""The dashboard: its screens, its commands, and how changes reach what is seen."""

from collections.abc import Callable, Iterable
from pathlib import Path

from textual.app import App, SystemCommand
from textual.screen import Screen
from textual.theme import Theme
from textual.timer import Timer

from rig.client import Target
from rig.errors import RigError, Unreachable
from rigtui import keymap
from rigtui.ending import Ending
from rigtui.link import Link
from rigtui.palette import CallScreen, Offer, PluginOperations
from rigtui.screens.answer import AnswerScreen, SteerScreen
from rigtui.screens.base import RigScreen
from rigtui.screens.document import DocumentScreen
from rigtui.screens.issue import IssueScreen
from rigtui.screens.queue import QueueScreen
from rigtui.screens.session import SessionScreen
from rigtui.state import Change, State, reduce, summoned
from rigtui.text import plain

FRAME = 0.05
"""Seconds for which changes are collected before they are shown together: at most twenty pictures a second."""

DARK = Theme(
    name="rig-dark",
    primary="#5fb3c8",
    secondary="#b294dc",
    accent="#6cc5dc",
    warning="#e5b567",
    error="#ef7b7b",
    success="#8cc98f",
    foreground="#d8dee4",
    background="#12161b",
    surface="#26313c",
    panel="#1b222a",
    dark=True,
    variables={
        "text-muted": "#93a1ae",
        "text-disabled": "#66737f",
        "border": "#3c4955",
        "input-cursor-background": "#d8dee4",
        "input-cursor-foreground": "#12161b",
    },
)

COMMANDS = {
    "queue": ("q",),
    "issue": ("i",),
    "session": ("s", "log", "l"),
    "help": ("?",),
    "quit": ("exit",),
}
"""What ``:`` takes, and its short forms."""


class Dashboard(App[None]):
    """One terminal's dashboard. It changes nothing of the fleet but by an answer, or a word to an agent, that was confirmed."""

    TITLE = "rig"
    CSS_PATH = Path(__file__).with_name("dashboard.tcss")
    ENABLE_COMMAND_PALETTE = True
    COMMANDS = App.COMMANDS | {PluginOperations}

    def __init__(self, where: Callable[[], Target], *, no_color: bool = False, bell: bool = True) -> None:
        """``bell`` False keeps the terminal quiet when a question comes in."""
        super().__init__(ansi_color=True if no_color else None)
        self.state = State()
        self.last_filter = ""
        self._bell = bell
        self._ending = Ending(self.exit)
        self.link = Link(where, self.tell)
        self._changes: list[Change] = []
        self._due: Timer | None = None
        self.register_theme(DARK)
        self.theme = "ansi-dark" if no_color else "rig-dark"

    @property
    def url(self) -> str:
        """The daemon's address."""
        return self.link.url

    def now(self) -> float:
        """Seconds since 1970 by the daemon's clock."""
        return self.link.now()

    async def on_mount(self) -> None:
        self._ending.begin(terminal=not self.is_headless)
        await self.push_screen(QueueScreen())
        self.set_interval(1.0, self._tick)
        self.follow()

    def on_unmount(self) -> None:
        self._ending.over()

    def follow(self) -> None:
        """Begin to follow the daemon."""
        self.run_worker(self.link.run(), name="link", exit_on_error=True)

    # Changes

    def tell(self, change: Change) -> None:
        """Take a change; it is shown with all others of the same twentieth of a second."""
        self._changes.append(change)
        if self._due is None:
            self._due = self.set_timer(FRAME, self._show)

    def _show(self) -> None:
        self._due = None
        changes, self._changes = self._changes, []
        before = self.state
        self.state = reduce(before, changes)
        self.link.want(view for view, since in self.state.stale.items() if before.stale.get(view) != since)
        if self._bell and summoned(before, self.state):
            self.bell()
        if isinstance(self.screen, RigScreen):
            self.screen.show()

    def _tick(self) -> None:
        if isinstance(self.screen, RigScreen) and self.screen.is_mounted:
            self.screen.tick()

    # Screens

    def open_issue(self, stream: str) -> None:
        """The timeline of an issue."""
        self.push_screen(IssueScreen(stream))

    def open_session(self, stream: str, execution: str | None = None) -> None:
        """The log of an attempt, the newest where none is named."""
        self.push_screen(SessionScreen(stream, execution))

    def answer(self, subject: str | None) -> None:
        """Ask for the answer to a question that is open about an issue."""
        rows = [entry.row for entry in self.state.attention.values() if entry.row is not None]
        about = [row for row in rows if row.subject == subject] or (rows if len(rows) == 1 else [])
        if not about:
            self._say("no question is open here" if not rows else "no question is open about this one; those above wait")
            return
        question = min(about, key=lambda row: (row.since or "", row.id))

        def send(text: str | None) -> None:
            if text is not None:
                self.run_worker(self._send(question.id, text), exit_on_error=False)

        self.push_screen(AnswerScreen(question), send)

    def steer(self, subject: str | None) -> None:
        """Ask what is to be said to the agent at work on an issue."""
        if subject is None:
            self._say("no issue is chosen")
            return
        row = self.state.issue(subject)
        if row is not None and row.state not in ("assigned", "in_progress"):
            self._say(f"no agent is at work on {plain(subject, 80)}")
            return

        def send(text: str | None) -> None:
            if text is not None:
                self.run_worker(self._steer(subject, text), exit_on_error=False)

        self.push_screen(SteerScreen(subject, row.assigned_agent if row is not None else None), send)

    async def _steer(self, issue: str, text: str) -> None:
        try:
            told = await self.link.steer(issue, text)
        except RigError as error:
            self._say(f"not said: {plain(error.message, 200)}", "bad")
            return
        said = {"delivered": "the agent has it", "queued": "it will be told with its next turn"}
        self._say(said.get(told.status) or f"not said: {plain(told.reason, 200)}", "good" if told.ok else "bad")

    async def _send(self, question: str, text: str) -> None:
        try:
            await self.link.answer(question, text)
        except RigError as error:
            self._say(f"not answered: {error.message}", "bad")
        else:
            self._say("answered", "good")

    async def offers(self) -> list[Offer]:
        """What plugins add to the API; nothing while the daemon does not say."""
        try:
            return await self.link.offers()
        except RigError:
            return []

    def call_offer(self, offer: Offer) -> None:
        """Ask for the parameters of a plugin's operation, call it, and show its answer."""

        def send(text: str | None) -> None:
            if text is not None:
                self.run_worker(self._call_offer(offer, text), exit_on_error=False)

        self.push_screen(CallScreen(offer), send)

    async def _call_offer(self, offer: Offer, text: str) -> None:
        try:
            answer = await self.link.call_offer(offer, text)
        except RigError as error:
            self._say(f"{offer.title}: {plain(error.message, 200)}", "bad")
        else:
            self.push_screen(DocumentScreen(offer.title, answer))

    # Commands

    def command(self, text: str) -> None:
        """Do what was typed behind ``:``."""
        word, _, rest = text.strip().partition(" ")
        name = next((name for name, short in COMMANDS.items() if word == name or word in short), None)
        subject = rest.strip() or (self.screen.subject() if isinstance(self.screen, RigScreen) else None)
        match name:
            case "queue":
                while len(self.screen_stack) > 1 and not isinstance(self.screen, QueueScreen):
                    self.pop_screen()
            case "issue" | "session" if subject is None:
                self._say(f"which one? :{name} OWNER/REPO#NUMBER")
            case "issue":
                self.open_issue(str(subject))
            case "session":
                self.open_session(str(subject))
            case "help":
                self.screen.call_later(self.screen.run_action, "help")
            case "quit":
                self.exit()
            case _ if word:
                self._say(f"there is no command {word}; there are: {', '.join(COMMANDS)}")

    def suggestions(self) -> list[str]:
        """Whole commands, for completion."""
        issues = list(self.state.issues)[:500]
        return [*COMMANDS, *(f"{name} {issue}" for name in ("issue", "i", "session", "s") for issue in issues)]

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette: every key of the screen, and the themes."""
        if isinstance(screen, RigScreen):
            for key in keymap.on(screen.WHERE):
                if key.id != "palette":
                    yield SystemCommand(
                        key.text, f"key {key.keys_text}", lambda key=key: screen.call_later(screen.run_action, key.action)
                    )
        yield SystemCommand("Theme", "Change the colours", self.action_change_theme)

    def action_resync(self) -> None:
        self.link.resync()
        self._say("reading everything again")

    def action_picture(self) -> None:
        try:
            path = Path(self.save_screenshot(path=str(Path.cwd())))
        except OSError as error:
            self._say(f"can't save a picture here: {error.strerror}")
        else:
            self._say(f"saved as {path.name}")

    def _say(self, text: str, tone: str = "text") -> None:
        if isinstance(self.screen, RigScreen):
            self.screen.say(text, tone)


async def answers(where: Callable[[], Target]) -> None:
    """Return when the daemon answers to us. Raises what the client raises otherwise."""
    from rig.client import Client

    async with Client(where(), timeout=10.0) as client:
        try:
            await client.call("list_queue", limit=1)
        except Unreachable:
            raise Unreachable(
                f"nothing answers at {client.target.url}; start a daemon with `rig serve`, or name another one: rigtui URL"
            ) from None
