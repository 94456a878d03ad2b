"""What table and log share: lines drawn one by one through Textual's line API, kept as strips, redrawn only where they differ."""

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.scroll_view import ScrollView
from textual.strip import Strip

Span = tuple[str, str]
"""A text that came through ``rigtui.text``, and the tone that it is drawn in."""

TONES = ("text", "strong", "muted", "faint", "accent", "notice", "good", "warn", "bad", "head")


class Lines(ScrollView, can_focus=True):
    """Draws spans in the tones of the theme; what lines there are, its subclasses say."""

    COMPONENT_CLASSES = {f"lines--{tone}" for tone in TONES} | {"lines--cursor"}

    DEFAULT_CSS = """
    Lines {
        height: 1fr;
        background: $background;
        color: $foreground;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        scrollbar-background: $background;
        scrollbar-background-hover: $background;
        scrollbar-color: $border;
        & > .lines--text { color: $foreground; }
        & > .lines--strong { color: $foreground; text-style: bold; }
        & > .lines--muted { color: $text-muted; }
        & > .lines--faint { color: $text-disabled; }
        & > .lines--accent { color: $accent; }
        & > .lines--notice { color: $secondary; }
        & > .lines--good { color: $success; }
        & > .lines--warn { color: $warning; }
        & > .lines--bad { color: $error; text-style: bold; }
        & > .lines--head { color: $text-muted; text-style: bold; }
        & > .lines--cursor { background: $surface; text-style: bold; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._tones: dict[tuple[str, bool], Style] = {}

    def notify_style_update(self) -> None:
        """The theme changed: every style that is kept is of the old one."""
        self._tones.clear()
        self.forget()
        super().notify_style_update()

    @property
    def cells_wide(self) -> int:
        """Cells of a line: the width without the scrollbar."""
        return self.scrollable_content_region.width

    def forget(self) -> None:
        """Let go of what was drawn."""

    def tone(self, name: str, cursor: bool = False) -> Style:
        """The style of a tone, over the cursor's background where the line has it."""
        found = self._tones.get((name, cursor))
        if found is None:
            found = self.get_component_rich_style(f"lines--{name}", partial=True)
            if cursor:
                found = found + self.get_component_rich_style("lines--cursor", partial=True)
            found = self.rich_style + found
            self._tones[name, cursor] = found
        return found

    def strip_of(self, spans: Sequence[Span], cells: int, cursor: bool = False) -> Strip:
        """A line that fills ``cells`` whatever its spans take."""
        segments = [Segment(text, self.tone(tone, cursor)) for text, tone in spans]
        return Strip(segments).adjust_cell_length(cells, self.tone("text", cursor))
