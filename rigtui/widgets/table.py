"""A table of any length through the line API: a repaint costs the lines that one sees and that differ, never the rows that there are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from rigtui.text import fit
from rigtui.widgets.lines import Lines, Span

GAP, NARROW_GAP, NARROW = 2, 1, 100
"""Cells between two columns; the smaller where the table has fewer cells than the last."""
WIDE = 110
MARK = "▌"
"""Before the row with the cursor: the cursor is not told by its colour alone."""


@dataclass(frozen=True)
class Column:
    """A column. It takes ``cells``, or what is left where that is 0; it is left out of tables narrower than ``above``."""

    name: str
    cells: int = 0
    right: bool = False
    keep_end: bool = False
    above: int = 0
    wide: int = 0
    """Cells where the table has ``WIDE`` or more; 0: the same."""


class Table(Lines):
    """Rows by key. ``cells`` makes a row's spans, one a column, and is asked for rows that are seen only."""

    class Opened(Message):
        """Enter, or a second click, on a row."""

        def __init__(self, table: "Table", key: str) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> "Table":
            return self.table

    def __init__(
        self, columns: Sequence[Column], cells: Callable[[str], Sequence[Span]], *, id: str | None = None, empty: str = ""
    ) -> None:
        super().__init__(id=id)
        self.columns = tuple(columns)
        self.cells = cells
        self.keys: Sequence[str] = ()
        self.empty = empty
        """Line that stands where there are no rows; from here, not from outside."""
        self.follow_end = False
        """Whether the cursor stays on the last row while rows are added and it is there."""
        self._cursor = 0
        self._key: str | None = None
        self._strips: dict[tuple[str, bool], tuple[Sequence[Span], Strip]] = {}
        self._painted: dict[int, Strip] = {}
        self._layout: tuple[tuple[int, Column, int], ...] = ()

    # What is shown

    @property
    def cursor_key(self) -> str | None:
        """Key of the row with the cursor; None for an empty table."""
        return self._key

    def show(self, keys: Sequence[str]) -> None:
        """These rows in this order; the cursor stays on its row, or near where that was."""
        at_end = self.follow_end and self._cursor >= len(self.keys) - 1
        resized = len(keys) != len(self.keys)
        here = self._cursor < len(keys) and keys[self._cursor] == self._key
        self.keys = keys
        if at_end and keys:
            self._cursor = len(keys) - 1
        elif not here and self._key is not None and self._key in set(keys):
            self._cursor = keys.index(self._key)
        self._cursor = min(self._cursor, max(len(keys) - 1, 0))
        self._key = keys[self._cursor] if keys else None
        if resized:
            was = self.cells_wide
            self.virtual_size = Size(was, len(keys) + 1)
            if self.cells_wide != was:  # the scrollbar came, or went
                self._laid_out()
            if len(self._strips) > 4 * max(self.size.height, 50):
                self._strips.clear()
        if at_end:
            self._reveal()
        self.touch()

    def touch(self) -> None:
        """Rows may have changed: redraw the visible lines that differ from what stands there."""
        dirty = [y for y in range(self.size.height) if self._painted.get(y) is not self._line(y)]
        if dirty:
            width = self.cells_wide
            self.refresh(*(Region(0, y, width, 1) for y in dirty))

    def forget(self) -> None:
        self._strips.clear()
        self._painted.clear()

    def render_line(self, y: int) -> Strip:
        strip = self._painted[y] = self._line(y)
        return strip

    # Drawing

    def _line(self, y: int) -> Strip:
        """The strip of a visible line: the head, a row, or nothing. The same object while nothing about it changed."""
        if y == 0:
            return self._kept("\n head", tuple((column.name, "head") for column in self.columns))
        index = y - 1 + self.scroll_offset.y
        if index >= len(self.keys):
            note = self.empty if y == 2 and not self.keys else ""
            return self._kept(f"\n {note}", ((note, "muted"),), whole=True)
        key = self.keys[index]
        return self._kept(key, self.cells(key), cursor=index == self._cursor)

    def _kept(self, key: str, spans: Sequence[Span], *, cursor: bool = False, whole: bool = False) -> Strip:
        found = self._strips.get((key, cursor))
        if found is not None and found[0] == spans:
            return found[1]
        width = self.cells_wide
        if whole:
            strip = self.strip_of([("  ", "text"), (fit(spans[0][0], max(width - 2, 0)), spans[0][1])], width)
        else:
            parts: list[Span] = [(MARK if cursor else " ", "accent")]
            for index, column, cells in self._columns():
                text, tone = spans[index]
                parts.append((fit(text, cells, right=column.right, keep_end=column.keep_end) + " " * self._gap, tone))
            strip = self.strip_of(parts, width, cursor)
        self._strips[key, cursor] = (spans, strip)
        return strip

    def _columns(self) -> tuple[tuple[int, Column, int], ...]:
        """(index, column, cells) of those that fit, for the width that there is."""
        if not self._layout:
            width = self.cells_wide
            gap = self._gap
            shown = [
                (i, c, c.wide if c.wide and width >= WIDE else c.cells) for i, c in enumerate(self.columns) if width >= c.above
            ]
            left = width - 2 - sum(cells + gap for _, _, cells in shown) + gap
            flexible = max(sum(not cells for _, _, cells in shown), 1)
            self._layout = tuple((i, c, cells or max(left // flexible, 4)) for i, c, cells in shown)
        return self._layout

    @property
    def _gap(self) -> int:
        return GAP if self.cells_wide >= NARROW else NARROW_GAP

    def on_resize(self, event: Resize) -> None:
        self._laid_out()
        self.virtual_size = Size(self.cells_wide, len(self.keys) + 1)
        self._reveal()
        self.refresh()

    def _laid_out(self) -> None:
        self._layout = ()
        self.forget()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self.touch()

    # The cursor

    def move(self, rows: int) -> None:
        self._place(self._cursor + rows)

    def go(self, index: int) -> None:
        self._place(index % max(len(self.keys), 1))

    def page(self, pages: int) -> None:
        self._place(self._cursor + pages * max(self.size.height - 2, 1))

    def open(self) -> None:
        if self._key is not None:
            self.post_message(self.Opened(self, self._key))

    def on_click(self, event: Click) -> None:
        index = event.y - 1 + self.scroll_offset.y
        if event.y > 0 and index < len(self.keys):
            again = index == self._cursor
            self._place(index)
            if again:
                self.open()

    def _place(self, index: int) -> None:
        self._cursor = max(min(index, len(self.keys) - 1), 0)
        self._key = self.keys[self._cursor] if self.keys else None
        self._reveal()
        self.touch()

    def _reveal(self) -> None:
        top, height = self.scroll_offset.y, max(self.size.height - 1, 1)
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False, immediate=True, force=True)
        elif self._cursor >= top + height:
            self.scroll_to(y=self._cursor - height + 1, animate=False, immediate=True, force=True)
