"""Facts of one thing above its list: names and values in columns, then free lines such as an open question."""

from collections.abc import Sequence

from textual.strip import Strip

from rigtui.text import fit, width
from rigtui.widgets.lines import Lines, Span

Fact = tuple[str, Span]


class Facts(Lines, can_focus=False):
    """As high as what it shows; two facts a line where there is room."""

    DEFAULT_CSS = "Facts { height: auto; max-height: 12; background: $background; overflow: hidden; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._facts: tuple[Fact, ...] = ()
        self._below: tuple[Sequence[Span], ...] = ()
        self._head: tuple[Span, ...] = ()

    def show(self, facts: Sequence[Fact], below: Sequence[Sequence[Span]] = (), head: Sequence[Span] = ()) -> None:
        """Draw these: a line of its own, the facts, and lines below; all came through ``rigtui.text``."""
        fresh = (tuple(facts), tuple(below), tuple(head))
        if fresh != (self._facts, self._below, self._head):
            high = self._high
            self._facts, self._below, self._head = fresh
            if self._high != high:
                self.styles.height = self._high
            self.refresh()

    @property
    def _columns(self) -> int:
        return 3 if self.size.width >= 140 else 2 if self.size.width >= 60 else 1

    @property
    def _high(self) -> int:
        return bool(self._head) + -(-len(self._facts) // self._columns) + len(self._below)

    def on_resize(self) -> None:
        self.styles.height = self._high

    def render_line(self, y: int) -> Strip:
        cells, columns = self.size.width, self._columns
        if self._head:
            if y == 0:
                return self.strip_of(_cut(self._head, cells), cells)
            y -= 1
        rows = -(-len(self._facts) // columns)
        if y >= rows:
            return self.strip_of(_cut(self._below[y - rows], cells) if y - rows < len(self._below) else (), cells)
        each = (cells - 1) // columns
        spans: list[Span] = [(" ", "text")]
        for name, (value, tone) in self._facts[y * columns : (y + 1) * columns]:
            label = fit(name, 9)
            spans += [(label, "muted"), (fit(value, each - width(label) - 1) + " ", tone)]
        return self.strip_of(spans, cells)


def _cut(spans: Sequence[Span], cells: int) -> list[Span]:
    """Spans in at most so many cells, the one that does not fit with an ellipsis."""
    out: list[Span] = []
    for text, tone in spans:
        text = text if width(text) <= cells else fit(text, cells)
        out.append((text, tone))
        cells -= width(text)
    return out
