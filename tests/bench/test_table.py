"""What a repaint costs beside Textual's own table, and how much of a core ten thousand changes a second take (T12)."""

import time
from collections.abc import Callable, Sequence
from statistics import median

import msgspec
import pytest
from textual.app import App, ComposeResult
from textual.widgets import DataTable

from rig.client import Parser
from rigtui import board
from rigtui.filtering import Filter
from rigtui.link import change_of
from rigtui.state import Listed, State, reduce
from rigtui.widgets.lines import Span
from rigtui.widgets.table import Table
from tests.rigtui.fakes import NOW, issue

pytestmark = pytest.mark.bench

ROWS = 10_000
SIZE = (160, 50)
CHANGES = 40
ROUNDS = 5


class Both(App[None]):
    """One of the two tables, with the same rows."""

    def __init__(self, state: State, ours: bool) -> None:
        super().__init__()
        self.state = state
        self.ours = ours

    def compose(self) -> ComposeResult:
        yield Table(board.COLUMNS, self.cells) if self.ours else DataTable()

    def cells(self, key: str) -> Sequence[Span]:
        return board.cells(self.state, key, NOW)

    def change(self, number: int) -> None:
        """A row that one sees costs more than before."""
        row = issue(number, total_cost_usd=time.perf_counter() % 10, last_event_sequence=number)
        self.state.issues[row.stream_id] = type(self.state.issues[row.stream_id])(row, number)  # type: ignore[index]  # a dict


def fleet() -> State:
    rows = {f"acme/shop#{n}": issue(n, total_cost_usd=1.0) for n in range(1, ROWS + 1)}
    return reduce(State(), [Listed("issues", rows, 0)])


async def repaint(ours: bool) -> float:
    """Seconds that one changed row costs until its picture is made: the median of the rounds."""
    app = Both(fleet(), ours)
    async with app.run_test(size=SIZE) as pilot:
        if ours:
            table = app.query_one(Table)
            table.show(board.keys(app.state, Filter("")))
            seen = [int(key.rpartition("#")[2]) for key in table.keys[: SIZE[1] - 1]]
            update: Callable[[int], None] = lambda _: table.touch()
            widget: Table | DataTable[str] = table
        else:
            theirs: DataTable[str] = app.query_one(DataTable)
            for column in board.COLUMNS:
                theirs.add_column(column.name, key=column.name, width=column.cells or 40)
            for key in app.state.issues:
                theirs.add_row(*(text for text, _ in app.cells(key)), key=key)
            seen = list(range(1, SIZE[1]))
            update = lambda n: theirs.update_cell(f"acme/shop#{n}", "COST", app.cells(f"acme/shop#{n}")[-1][0])
            widget = theirs
        await pilot.pause()
        region = widget.size.region
        rounds = []
        for _ in range(ROUNDS):
            spent = 0.0
            for change in range(CHANGES):
                number = seen[change % len(seen)]
                app.change(number)
                began = time.process_time()
                update(number)
                widget.render_lines(region)
                spent += time.process_time() - began
            rounds.append(spent / CHANGES)
        return median(rounds)


async def test_a_repaint_costs_a_twentieth_of_textuals_table(record_property: Callable[[str, object], None]) -> None:
    ours, theirs = await repaint(True), await repaint(False)
    print(f"\none repaint of {ROWS:,} rows: {ours * 1e6:.0f} µs, DataTable {theirs * 1e6:.0f} µs: {theirs / ours:.0f}x")
    record_property("repaint", {"ours_us": ours * 1e6, "datatable_us": theirs * 1e6, "ratio": theirs / ours})
    assert theirs / ours >= 20


def test_ten_thousand_changes_a_second_take_less_than_a_quarter_of_a_core(
    record_property: Callable[[str, object], None],
) -> None:
    rows = [issue(n, total_cost_usd=1.0) for n in range(1, 501)]
    state = reduce(State(), [Listed("issues", {row.stream_id: row for row in rows}, 0)])
    frames = [
        b"event: row\ndata: %s\n\n"
        % msgspec.json.encode({"view": "issues", "key": row.stream_id, "row": row, "sequence": sequence})
        for sequence, row in enumerate(rows * 20, 1)
    ]
    shares = []
    for turn in range(ROUNDS):
        parser = Parser()
        began = time.process_time()
        for first in range(0, len(frames), 500):  # twenty pictures a second
            heard = parser.feed(b"".join(frames[first : first + 500]))
            changes = [change for frame in heard if (change := change_of(frame.event, frame.data)) is not None]
            state = reduce(state, changes)
            board.keys(state, Filter(""))
        shares.append(time.process_time() - began)
        assert state.sequence == len(frames), turn
    share = median(shares)
    print(f"\n10,000 changes a second, from bytes to the order of rows: {share * 100:.1f} % of a core")
    record_property("share", share)
    assert share < 0.25
