"""What every screen has: the two lines above, the keys below, the line to type in, and how changes reach it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget

from rig.errors import RigError
from rigtui import keymap
from rigtui.filtering import Filter
from rigtui.state import State
from rigtui.widgets.hints import Hints
from rigtui.widgets.prompt import Prompt
from rigtui.widgets.status import Status

if TYPE_CHECKING:
    from rigtui.app import Dashboard


class RigScreen(Screen[None]):
    """A screen over the state. Subclasses give ``body``, ``showing`` and the actions of their keys."""

    WHERE: ClassVar[str] = ""
    FILTERS: ClassVar[tuple[str, ...]] = ()
    """Keys that a filter may ask for here."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title
        self.wanted = Filter("")

    def compose(self) -> ComposeResult:
        yield Status()
        yield from self.body()
        yield Prompt()
        yield Hints(keymap.on(self.WHERE))

    def body(self) -> Sequence[Widget]:
        """The widgets between the lines above and below."""
        raise NotImplementedError

    def showing(self, state: State) -> None:
        """Show a new state."""

    def tick(self) -> None:
        """A second has passed: ages differ."""

    def subject(self) -> str | None:
        """The issue that an action here is about."""
        return None

    @property
    def dashboard(self) -> Dashboard:
        """The app, with what it holds."""
        from rigtui.app import Dashboard

        app = self.app
        assert isinstance(app, Dashboard)
        return app

    def show(self) -> None:
        """Show the app's state as it is now."""
        status = self.query_one(Status)
        status.path = tuple(str(screen.title) for screen in self.app.screen_stack if isinstance(screen, RigScreen))
        status.show(self.dashboard.state, self.dashboard.url)
        self.showing(self.dashboard.state)

    def say(self, text: str, tone: str = "text") -> None:
        """A message in the line at the bottom."""
        self.query_one(Hints).say(text, tone)

    def on_mount(self) -> None:
        self.show()

    def on_screen_resume(self) -> None:
        self.show()

    # Actions that every screen has

    def action_back(self) -> None:
        if self.wanted:
            self._filter("")
        elif sum(isinstance(screen, RigScreen) for screen in self.app.screen_stack) > 1:
            self.app.pop_screen()
        else:
            self.say("ctrl+q leaves the dashboard; the daemon goes on")

    def action_cursor(self, move: str, by: int) -> None:
        if self.focused is not None and hasattr(self.focused, move):
            getattr(self.focused, move)(by)

    def action_filter(self) -> None:
        self.query_one(Prompt).ask("/", self.wanted.text or self.dashboard.last_filter)

    def action_command(self) -> None:
        self.query_one(Prompt).ask(":", "", self.dashboard.suggestions())

    def action_help(self) -> None:
        from rigtui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(keymap.on(self.WHERE)), self._run)

    async def _run(self, action: str | None) -> None:
        if action:
            await self.run_action(action)

    def action_log(self) -> None:
        subject = self.subject()
        if subject is not None:
            self.dashboard.open_session(subject)

    def action_answer(self) -> None:
        self.dashboard.answer(self.subject())

    def action_steer(self) -> None:
        self.dashboard.steer(self.subject())

    @on(Prompt.Typed)
    def _typed(self, event: Prompt.Typed) -> None:
        if event.kind == "/":
            self._filter(event.text)
            if event.done:
                self.dashboard.last_filter = event.text
        elif event.done:
            self.dashboard.command(event.text)
        if event.done:
            self._focus_body()

    @on(Prompt.Left)
    def _left(self, event: Prompt.Left) -> None:
        if event.kind == "/":
            self._filter("")
        self._focus_body()

    def _focus_body(self) -> None:
        if self.app.screen is self:
            self.focus_next(f".{self.WHERE}-list")

    def _filter(self, text: str) -> None:
        try:
            self.wanted = Filter(text, self.FILTERS)
        except RigError:
            return  # half typed: what was wanted before stands
        self.query_one(Hints).set_note(f"/{self.wanted.text}" if self.wanted else "")
        self.show()
