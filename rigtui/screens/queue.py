"""All work by state: what asks, what is worked on, what waits and in which order, what ended."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.widget import Widget

from rigtui import board, keymap
from rigtui.screens.base import RigScreen
from rigtui.screens.document import DocumentScreen
from rigtui.state import State
from rigtui.text import plain
from rigtui.widgets.facts import Facts
from rigtui.widgets.lines import Span
from rigtui.widgets.table import Table
from rigtui.words import FIELDS, age

ASKED = 3
"""Open questions that are shown above the list."""


class QueueScreen(RigScreen):
    """The first screen."""

    WHERE = "queue"
    FILTERS = FIELDS
    BINDINGS: ClassVar[list[BindingType]] = keymap.bindings("queue")
    AUTO_FOCUS = "#queue"

    def __init__(self) -> None:
        super().__init__("queue")
        self._asks: frozenset[str] = frozenset()

    def body(self) -> Sequence[Widget]:
        self._questions = Facts(id="questions")
        self._table = Table(board.COLUMNS, self._cells, id="queue")
        self._table.add_class("queue-list")
        return self._questions, self._table

    def _cells(self, key: str) -> Sequence[Span]:
        return board.cells(self.dashboard.state, key, self.dashboard.now(), self._asks)

    def showing(self, state: State) -> None:
        self._asks = board.asking(state)
        self._table.empty = (
            "nothing fits the filter; esc takes it away"
            if self.wanted
            else "no work yet: rig issue create OWNER/REPO#1 --title …, or POST /api/events"
            if state.phase in ("live", "behind")
            else "nothing was read yet"
        )
        self._table.show(board.keys(state, self.wanted))
        self._show_questions(state)

    def tick(self) -> None:
        self._table.touch()
        self._show_questions(self.dashboard.state)

    def subject(self) -> str | None:
        return self._table.cursor_key

    @on(Table.Opened)
    def _opened(self, event: Table.Opened) -> None:
        self.dashboard.open_issue(event.key)

    def action_open(self) -> None:
        self._table.open()

    def action_json(self) -> None:
        key = self.subject()
        if key is not None:
            self.app.push_screen(DocumentScreen(key, self.dashboard.state.issue(key)))

    def _show_questions(self, state: State) -> None:
        rows = sorted((e.row for e in state.attention.values() if e.row is not None), key=lambda row: (row.since, row.id))
        now = self.dashboard.now()
        said: list[Sequence[Span]] = [
            [
                (f" ? {plain(row.subject, 60)} ", "warn"),
                (f"{age(row.since, now)}  ", "muted"),
                (plain(row.question, 400), "text"),
            ]
            for row in rows[:ASKED]
        ]
        if len(rows) > ASKED:
            said.append([(f" … and {len(rows) - ASKED} more", "muted")])
        self._questions.show((), said)
