"""One issue: its facts, its open question, and every event that it is made of."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on, work
from textual.binding import BindingType
from textual.widget import Widget

from rig.errors import RigError, Unreachable
from rig.wire.shapes.answers import Issue
from rigtui import keymap
from rigtui.history import Happened, History
from rigtui.screens.base import RigScreen
from rigtui.screens.document import DocumentScreen
from rigtui.state import State
from rigtui.text import plain, wrapped
from rigtui.widgets import timeline
from rigtui.widgets.facts import Fact, Facts
from rigtui.widgets.lines import Span
from rigtui.widgets.table import Table
from rigtui.words import NAMES, PRIORITIES, SIGNS, TONES, age, count, seconds, state_of, total, usd

QUESTION_LINES = 4


class IssueScreen(RigScreen):
    """The timeline of an issue; enter on an event of an execution opens its log."""

    WHERE = "issue"
    FILTERS = ("event", "what")
    BINDINGS: ClassVar[list[BindingType]] = keymap.bindings("issue")
    AUTO_FOCUS = "#timeline"

    def __init__(self, stream: str) -> None:
        super().__init__(plain(stream, 100))
        self.stream = stream
        self._trace: History | None = None
        self._events: dict[str, Happened] = {}
        self._cells: dict[str, Sequence[Span]] = {}
        self._executions: dict[str, str] = {}
        """Key of an event to the execution that it is of."""
        self._failed = ""

    def body(self) -> Sequence[Widget]:
        self._facts = Facts(id="facts")
        self._table = Table(timeline.COLUMNS, lambda key: self._cells[key], id="timeline", empty="reading…")
        self._table.add_class("issue-list")
        self._table.follow_end = True
        return self._facts, self._table

    def on_mount(self) -> None:
        super().on_mount()
        self._follow()

    @work(exclusive=True, exit_on_error=False)
    async def _follow(self) -> None:
        async for trace in self.dashboard.link.traces(self.stream, self._broken):
            self._trace, self._failed = trace, ""
            self._read(trace)
            self.show()

    def _broken(self, error: RigError) -> None:
        self._failed = "" if isinstance(error, Unreachable) else plain(error.message, 200)
        self.show()

    def _read(self, trace: History) -> None:
        """Make cells of events that are new, or that are told differently now."""
        begin = seconds(trace.events[0].at) if trace.events else None
        for event in trace.events:
            key = str(event.sequence)
            known = self._events.get(key)
            if known is None or (known.applied, known.cost, known.reason) != (event.applied, event.cost, event.reason):
                self._events[key] = event
                self._cells[key] = timeline.cells(event, begin)
                execution = event.data.get("executionId")
                if isinstance(execution, str):
                    self._executions[key] = execution

    def showing(self, state: State) -> None:
        self._show_facts(state)
        names = [column.name for column in timeline.COLUMNS]
        event, what = names.index("EVENT"), names.index("WHAT")
        keys = [
            key
            for key, cells in self._cells.items()
            if not self.wanted or self.wanted({"event": cells[event][0], "what": cells[what][0]})
        ]
        self._table.empty = self._failed or ("nothing fits the filter; esc takes it away" if self._cells else "reading…")
        self._table.show(keys)

    def tick(self) -> None:
        state = self.dashboard.state
        self._show_facts(state)

    def _show_facts(self, state: State) -> None:
        row: Issue | None = state.issue(self.stream)
        head = [(f" {self.title}  ", "accent"), (plain(row.title) if row is not None else "", "strong")]
        self._facts.show(self._facts_of(row), self._question(state), head)

    def _facts_of(self, row: Issue | None) -> list[Fact]:
        if row is None:
            known = self._trace.current_state if self._trace is not None else None
            return [("state", (plain(known) or "–", "text"))]
        now = self.dashboard.now()
        asks = any(e.row is not None and e.row.subject == self.stream for e in self.dashboard.state.attention.values())
        shown = state_of(row, asks)
        tokens = row.tokens
        split = f"in {count(tokens.input_tokens)}  out {count(tokens.output_tokens)}"
        split += f"  cache {count(tokens.cache_read_tokens)} / {count(tokens.cache_creation_tokens)}"
        priority, loud = PRIORITIES.get(row.priority, (plain(row.priority, 10), "text"))
        place = self.dashboard.state.queue.index(self.stream) + 1 if self.stream in self.dashboard.state.queue else 0
        waits = f", {place}. in the queue" if place else ""
        pull = f"#{row.pr_number} {plain(row.pr_url)}" if row.pr_number else plain(row.pr_url)
        facts: list[Fact] = [
            (
                "state",
                (f"{SIGNS[shown]} {NAMES.get(shown, shown)}{waits}, for {age(row.updated_at, now) or '–'}", TONES[shown]),
            ),
            ("agent", (plain(row.assigned_agent) or "–", "text")),
            ("attempt", (str(row.attempt), "warn" if row.attempt > 1 else "text")),
            ("priority", (f"{priority}   {plain(', '.join(row.labels), 120)}", loud if loud != "muted" else "text")),
            ("branch", (plain(row.branch) or "–", "text")),
            ("cost", (f"{usd(row.total_cost_usd)}  {count(total(tokens))} tokens", "text")),
            ("PR", (pull or "–", "notice" if pull else "muted")),
            (
                "tokens",
                (split, "muted"),
            ),
        ]
        if row.depends_on:
            facts.append(("needs", (plain(", ".join(row.depends_on), 200), "warn" if row.state == "queued" else "muted")))
        if row.parent:
            facts.append(("part of", (plain(row.parent, 200), "text")))
        if row.reason:
            facts.append(("reason", (plain(row.reason, 400), "bad" if row.state == "failed" else "warn")))
        return facts

    def _question(self, state: State) -> list[Sequence[Span]]:
        said: list[Sequence[Span]] = []
        for entry in state.attention.values():
            row = entry.row
            if row is None or row.subject != self.stream:
                continue
            options = f"  [{' | '.join(plain(option, 60) for option in row.options)}]" if row.options else ""
            text = plain(row.question) + options
            for index, part in enumerate(wrapped(text, max(self.size.width - 6, 20))[:QUESTION_LINES]):
                said.append([(" ? " if not index else "   ", "warn"), (part, "warn" if not index else "text")])
        return said

    def subject(self) -> str | None:
        return self.stream

    @on(Table.Opened)
    def _opened(self, event: Table.Opened) -> None:
        execution = self._executions.get(event.key)
        if execution is not None:
            self.dashboard.open_session(self.stream, execution)
        else:
            self.action_json()

    def action_open(self) -> None:
        self._table.open()

    def action_json(self) -> None:
        key = self._table.cursor_key
        if key is not None:
            event = self._events[key]
            self.app.push_screen(DocumentScreen(f"event {event.sequence}", event))
