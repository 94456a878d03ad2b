"""What an agent says while it works: the log of an attempt, live, under its facts."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import ClassVar

from textual import work
from textual.binding import BindingType
from textual.widget import Widget

from rig.errors import NotFound, RigError
from rig.wire.shapes.answers import Execution
from rigtui import keymap
from rigtui.screens.base import RigScreen
from rigtui.screens.document import DocumentScreen
from rigtui.state import State
from rigtui.text import lines, plain
from rigtui.widgets.facts import Fact, Facts
from rigtui.widgets.hints import Hints
from rigtui.widgets.loglines import LogLine, LogLines
from rigtui.words import clock, count, seconds, span, total, usd

BATCH = 0.05
"""Seconds for which lines are collected before they are drawn together."""
STATES = {
    "running": ("● running", "accent"),
    "completed": ("✓ completed", "good"),
    "failed": ("✗ failed", "bad"),
    "stuck": ("✗ stuck", "bad"),
}
SOURCES = {"system": ("·", "muted"), "stderr": ("!", "warn"), "tool": ("▸", "accent")}


class SessionScreen(RigScreen):
    """Shows the newest attempt of an issue, or the one that is named."""

    WHERE = "session"
    BINDINGS: ClassVar[list[BindingType]] = keymap.bindings("session")
    AUTO_FOCUS = "#log"

    def __init__(self, stream: str, execution: str | None = None) -> None:
        super().__init__("log")
        self.stream = stream
        self._wanted = execution
        self._attempts: list[Execution] = []
        """The issue's attempts, newest first."""
        self._shown: Execution | None = None
        self._sequence = -1
        self._batch: list[LogLine] = []

    def body(self) -> Sequence[Widget]:
        self._facts = Facts(id="facts")
        self._log = LogLines(id="log", empty="reading…")
        self._log.add_class("session-list")
        return self._facts, self._log

    def on_mount(self) -> None:
        super().on_mount()
        self._read_attempts()
        self._note()

    # What is shown

    def showing(self, state: State) -> None:
        row = state.issue(self.stream)
        sequence = row.last_event_sequence if row is not None else -1
        if sequence != self._sequence:
            self._sequence = sequence
            self._read_attempts()
        self._show_facts()

    def tick(self) -> None:
        self._show_facts()

    @work(group="attempts", exclusive=True, exit_on_error=False)
    async def _read_attempts(self) -> None:
        """Which attempts there are; opens the log of the one that is wanted when that is another than is shown."""
        try:
            found = await self.dashboard.link.executions(self.stream)
        except RigError:
            return  # the connection says so, and reads again when it stands
        newest_was = self._attempts[0].id if self._attempts else None
        self._attempts = found
        if not found:
            self._log.empty = "no attempt has begun yet; the log opens by itself when one does"
            self._log.refresh()
            return
        at_newest = self._shown is None or self._shown.id == newest_was
        wanted = self._wanted or (found[0].id if at_newest or self._shown is None else self._shown.id)
        chosen = next((e for e in found if e.id == wanted), found[0])
        self._wanted = None
        another = self._shown is None or chosen.id != self._shown.id
        self._shown = chosen
        if another:
            self._open()
        self._show_facts()

    def _open(self) -> None:
        self._log.empty = "nothing was said yet"
        self._batch = []
        self._log.clear()
        self._log.set_following(True)
        self._note()
        self._follow()

    @work(group="log", exclusive=True, exit_on_error=False)
    async def _follow(self) -> None:
        """Lines of the attempt as they come, across broken connections, until it ends."""
        assert self._shown is not None
        execution, after = self._shown.id, 0
        while True:
            try:
                async with aclosing(
                    self.dashboard.link.client.log_lines(execution, after, follow=True, patience=None)
                ) as found:
                    async for line in found:
                        after = int(line["line"])
                        self._collect(_log_lines(line))
                self._log.empty = "no output was kept; what its agent reported by events is in the timeline"
                self._log.refresh()
                return
            except NotFound as error:
                self._log.empty = plain(error.message)
                self._log.refresh()
                return
            except RigError:
                await self.dashboard.link.pause()

    def _collect(self, fresh: list[LogLine]) -> None:
        """Lines to be drawn with all others of the same moment."""
        if not self._batch:
            self.set_timer(BATCH, self._draw)
        self._batch += fresh

    def _draw(self) -> None:
        batch, self._batch = self._batch, []
        self._log.add(batch)

    def _show_facts(self) -> None:
        execution = self._shown
        if execution is None:
            self._facts.show((), head=[(f" {plain(self.stream)}", "accent")])
            return
        now = self.dashboard.now()
        begin, end = seconds(execution.started_at), seconds(execution.completed_at)
        lasted = "" if begin is None else f" {span((end or now) - begin)}"
        state, tone = STATES.get(execution.status, (plain(execution.status, 20), "text"))
        place = self._attempts.index(execution) if execution in self._attempts else 0
        which = f"{len(self._attempts) - place} of {len(self._attempts)}" if self._attempts else str(execution.attempt)
        title = self.dashboard.state.issue(self.stream)
        facts: list[Fact] = [
            ("attempt", (f"{which}  {state}{lasted}", tone)),
            ("agent", (plain(execution.agent_id, 80) or "–", "text")),
            ("model", (" / ".join(plain(v, 60) for v in (execution.provider, execution.model) if v) or "–", "text")),
            ("tokens", (f"{count(total(execution.tokens))}  turns {execution.total_turns}", "text")),
            ("cost", (usd(execution.total_cost_usd), "text")),
        ]
        if execution.failed_reason:
            facts.append(("reason", (plain(execution.failed_reason, 400), "bad")))
        self._facts.show(
            facts, head=[(f" {plain(self.stream, 80)}  ", "accent"), (plain(title.title if title else ""), "strong")]
        )

    def _note(self) -> None:
        following = "following" if self._log.following else "f follows"
        self.query_one(Hints).set_note(f"{following}{' · wrapped' if self._log.wrap else ''}")

    # Keys

    def subject(self) -> str | None:
        return self.stream

    def action_cursor(self, move: str, by: int) -> None:
        super().action_cursor(move, by)
        self._note()

    def action_follow(self) -> None:
        self._log.set_following(not self._log.following)
        self._note()

    def action_wrap(self) -> None:
        self._log.set_wrap(not self._log.wrap)
        self._note()

    def action_previous(self) -> None:
        if len(self._attempts) < 2 or self._shown is None:
            self.say("there is no attempt before this one")
            return
        ids = [execution.id for execution in self._attempts]
        place = ids.index(self._shown.id) + 1 if self._shown.id in ids else 0
        self._shown = self._attempts[place % len(ids)]
        self._open()
        self._show_facts()

    def action_json(self) -> None:
        if self._shown is not None:
            self.app.push_screen(DocumentScreen(f"execution {self._shown.id}", self._shown))


def _log_lines(line: dict[str, object]) -> list[LogLine]:
    """A line of the API as lines of the screen: what holds line breaks is several."""
    sign, tone = SOURCES.get(str(line.get("stream")), (" ", "text"))
    text = str(line.get("text", ""))
    if text.startswith("[tool]"):
        sign, tone = SOURCES["tool"]
    time = clock(str(line.get("at", "")))
    number = line.get("line")
    return [LogLine(number if isinstance(number, int) else 0, time, part, tone, sign) for part in lines(text)]
