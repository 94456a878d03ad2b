"""The log on its own: following, wrapping, and what it holds."""

from textual.app import App, ComposeResult

from rigtui.widgets.loglines import MOST, LogLine, LogLines


class One(App[None]):
    def compose(self) -> ComposeResult:
        yield LogLines()

    @property
    def log_lines(self) -> LogLines:
        return self.query_one(LogLines)

    def shown(self) -> list[str]:
        return [self.log_lines.render_line(y).text.rstrip() for y in range(self.log_lines.size.height)]


def some(first: int, count: int, text: str = "line") -> list[LogLine]:
    return [LogLine(number, "15:06:10", f"{text} {number}") for number in range(first, first + count)]


async def test_the_end_is_followed_until_one_scrolls_up_and_again_from_the_end_on() -> None:
    app = One()
    async with app.run_test(size=(60, 10)) as pilot:
        app.log_lines.add(some(1, 50))
        await pilot.pause()
        assert app.shown()[-1].endswith("line 50")
        app.log_lines.move(-3)
        app.log_lines.add(some(51, 10))
        await pilot.pause()
        assert app.shown()[-1].endswith("line 47")
        app.log_lines.go(-1)
        app.log_lines.add(some(61, 1))
        await pilot.pause()
        assert app.shown()[-1].endswith("line 61")


async def test_long_lines_are_cut_or_wrapped() -> None:
    app = One()
    async with app.run_test(size=(40, 10)) as pilot:
        app.log_lines.add([LogLine(1, "15:06:10", "word " * 20 + "end")])
        await pilot.pause()
        assert app.shown()[0].endswith("…")
        app.log_lines.set_wrap(True)
        await pilot.pause()
        shown = [line for line in app.shown() if line]
        assert len(shown) > 2
        assert shown[0].startswith(" 15:06:10")
        assert shown[1].startswith("            ")
        assert shown[-1].endswith("end")


async def test_no_more_lines_are_held_than_there_is_room_for() -> None:
    app = One()
    async with app.run_test(size=(60, 10)) as pilot:
        app.log_lines.add(some(1, MOST))
        app.log_lines.add(some(MOST + 1, 10))
        await pilot.pause()
        assert len(app.log_lines.texts) == MOST
        assert app.log_lines.texts[0] == "line 11"
        assert app.shown()[-1].endswith(f"line {MOST + 10}")
