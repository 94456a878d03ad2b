"""The lines of an execution: numbered, followed, wrapped; as many as fit into memory's bound, of which only the visible are drawn."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

from textual.events import Resize
from textual.geometry import Size
from textual.strip import Strip

from rigtui.text import fit, wrapped
from rigtui.widgets.lines import Lines, Span

MOST = 20_000
"""Lines that are held; the oldest go first."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line, its text through ``rigtui.text``."""

    number: int
    time: str
    text: str
    tone: str = "text"
    sign: str = " "


class LogLines(Lines):
    """Shows lines as they come; scrolling up ends following, the end takes it up again."""

    MARGIN: ClassVar[int] = 12
    """Cells before a line's text: its time and its sign; 1 shows neither."""

    def __init__(self, *, id: str | None = None, empty: str = "") -> None:
        super().__init__(id=id)
        self.empty = empty
        self.following = True
        self.wrap = False
        self._lines: deque[LogLine] = deque(maxlen=MOST)
        self._rows: list[tuple[LogLine, str, bool]] = []
        """What stands on each row of the screen: its line, the part of its text, and whether that is the line's first."""
        self._strips: dict[int, Strip] = {}

    def add(self, lines: Iterable[LogLine]) -> None:
        """Lines that come after those there are."""
        fresh = list(lines)
        if not fresh:
            return
        spill = len(self._lines) + len(fresh) > MOST
        self._lines.extend(fresh)
        if spill:
            self._lay_out()
        else:
            for line in fresh:
                self._rows.extend(self._parts(line))
            self._sized()

    def clear(self) -> None:
        self._lines.clear()
        self._lay_out()

    def set_wrap(self, wrap: bool) -> None:
        self.wrap = wrap
        self._lay_out()

    def set_following(self, following: bool) -> None:
        self.following = following
        if following:
            self.scroll_end(animate=False, immediate=True, force=True, x_axis=False)

    @property
    def texts(self) -> list[str]:
        """The texts that are held, oldest first."""
        return [line.text for line in self._lines]

    def tail(self, count: int) -> list[LogLine]:
        """The newest lines."""
        return list(islice(self._lines, max(len(self._lines) - count, 0), None))

    # Drawing

    def forget(self) -> None:
        self._strips.clear()

    def render_line(self, y: int) -> Strip:
        index = y + self.scroll_offset.y
        width = self.cells_wide
        if index >= len(self._rows):
            note = self.empty if y == 1 and not self._rows else ""
            return self.strip_of([(fit(f"  {note}", width), "muted")], width)
        strip = self._strips.get(index)
        if strip is None:
            line, part, first = self._rows[index]
            time, sign = (line.time, line.sign) if first else ("", " ")
            head: list[Span] = [(f" {time:<8} ", "faint"), (f"{sign} ", line.tone)] if self.MARGIN > 1 else [(" ", "text")]
            spans = [*head, (fit(part, max(width - self.MARGIN - 1, 1)), line.tone)]
            strip = self._strips[index] = self.strip_of(spans, width)
            if len(self._strips) > 2_000:
                self._strips = {index: strip}
        return strip

    def _parts(self, line: LogLine) -> list[tuple[LogLine, str, bool]]:
        if not self.wrap:
            return [(line, line.text, True)]
        return [(line, part, not at) for at, part in enumerate(wrapped(line.text, max(self.cells_wide - self.MARGIN - 1, 10)))]

    def _lay_out(self) -> None:
        self._rows = [row for line in self._lines for row in self._parts(line)]
        self._strips.clear()
        self._sized()
        self.refresh()

    def _sized(self) -> None:
        self.virtual_size = Size(self.cells_wide, len(self._rows))
        if self.following:
            self.scroll_end(animate=False, immediate=True, force=True, x_axis=False)
        self.refresh()

    def on_resize(self, event: Resize) -> None:
        self._lay_out()

    # Moving

    def move(self, lines: int) -> None:
        """Scroll by so many lines."""
        self._moved(lines)
        self.scroll_relative(y=lines, animate=False, force=True)

    def go(self, index: int) -> None:
        """To the first line (0) or the last (-1)."""
        if index < 0:
            self.set_following(True)
        else:
            self.following = False
            self.scroll_home(animate=False, force=True)

    def page(self, pages: int) -> None:
        """Scroll by so many screens."""
        self._moved(pages)
        self.scroll_relative(y=pages * max(self.size.height - 1, 1), animate=False, force=True)

    def _moved(self, by: int) -> None:
        if by < 0:
            self.following = False

    def on_mouse_scroll_up(self) -> None:
        self.following = False
