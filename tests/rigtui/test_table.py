"""The table on its own: cursor, order, hostile cells, and that it draws no more than what differs."""

from collections.abc import Sequence

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.geometry import Region

from rigtui.text import plain
from rigtui.widgets.lines import Span
from rigtui.widgets.table import Column, Table
from tests.rigtui.test_text import HOSTILE

COLUMNS = (Column("NAME", 8), Column("TEXT"), Column("SIZE", 5, right=True), Column("MORE", 6, above=100))


class One(App[None]):
    """A table of rows ``0`` … whose texts are in ``texts``."""

    def __init__(self, texts: dict[str, str]) -> None:
        super().__init__()
        self.texts = texts
        self.opened: list[str] = []
        self.asked = 0

    def compose(self) -> ComposeResult:
        yield Table(COLUMNS, self.cells, empty="nothing here")

    @property
    def table(self) -> Table:
        return self.query_one(Table)

    def cells(self, key: str) -> Sequence[Span]:
        self.asked += 1
        return ((key, "text"), (plain(self.texts[key]), "muted"), ("1", "text"), ("more", "text"))

    def on_table_opened(self, event: Table.Opened) -> None:
        self.opened.append(event.key)

    def lines(self) -> list[str]:
        return [self.table.render_line(y).text for y in range(self.table.size.height)]


def texts(count: int) -> dict[str, str]:
    return {str(number): f"text {number}" for number in range(count)}


async def test_the_cursor_stays_on_its_row_when_the_order_changes() -> None:
    app = One(texts(5))
    async with app.run_test(size=(60, 10)) as pilot:
        app.table.show(["0", "1", "2", "3"])
        app.table.move(2)
        app.table.show(["4", "3", "2", "1", "0"])
        assert app.table.cursor_key == "2"
        app.table.show(["4", "0"])
        assert app.table.cursor_key == "0"
        app.table.show([])
        assert app.table.cursor_key is None
        await pilot.pause()
        assert "nothing here" in app.lines()[2]


async def test_moving_shows_the_row_that_one_moves_to() -> None:
    app = One(texts(100))
    async with app.run_test(size=(60, 10)) as pilot:
        app.table.show(list(app.texts))
        app.table.go(-1)
        await pilot.pause()
        assert "text 99" in app.lines()[-1]
        app.table.page(-1)
        app.table.move(-1)
        await pilot.pause()
        assert "text 90" in "".join(app.lines())
        app.table.go(0)
        await pilot.pause()
        assert app.lines()[1].startswith("▌0 ")
        app.table.open()
        await pilot.pause()
        assert app.opened == ["0"]


async def test_a_change_draws_the_lines_that_differ_and_asks_for_the_rows_that_are_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = One(texts(10_000))
    async with app.run_test(size=(60, 10)) as pilot:
        app.table.show(list(app.texts))
        await pilot.pause()
        drawn: list[Region] = []
        monkeypatch.setattr(app.table, "refresh", lambda *regions, **_: drawn.extend(regions))
        app.asked = 0
        app.texts["3"] = "something else"
        app.texts["5000"] = "not seen"
        app.table.touch()
        assert [region.y for region in drawn] == [4]
        assert app.asked <= 20


@pytest.mark.parametrize("width", [40, 80, 120])
async def test_no_text_moves_a_column(width: int) -> None:
    app = One({str(number): text for number, text in enumerate(HOSTILE)})
    async with app.run_test(size=(width, 30)) as pilot:
        app.table.show(list(app.texts))
        await pilot.pause()
        cells = {cell_len(line) for line in app.lines()}
        assert cells == {width}
        ends = {cell_len(line[: line.index("    1")]) for line in app.lines()[1 : len(HOSTILE) + 1]}
        assert len(ends) == 1


async def test_columns_that_do_not_fit_are_left_out_and_come_back() -> None:
    app = One(texts(3))
    async with app.run_test(size=(80, 10)) as pilot:
        app.table.show(list(app.texts))
        await pilot.pause()
        assert "MORE" not in app.lines()[0]
        await pilot.resize_terminal(110, 10)
        await pilot.pause()
        assert app.lines()[0].rstrip().endswith("MORE")
