"""Something as JSON, over the screen that it belongs to."""

from typing import Any, ClassVar

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Label

from rig.wire.words import safe_json
from rigtui.text import content, lines
from rigtui.widgets.loglines import LogLine, LogLines

LONGEST = 2_000_000


class DocumentScreen(ModalScreen[None]):
    """Escape, q or y leads back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,y,enter", "dismiss", "back", show=False, id="document.back"),
        Binding("j,down", "scroll('move', 1)", "down", show=False, id="document.down"),
        Binding("k,up", "scroll('move', -1)", "up", show=False, id="document.up"),
        Binding("g,home", "scroll('go', 0)", "first", show=False, id="document.first"),
        Binding("G,end", "scroll('go', -1)", "last", show=False, id="document.last"),
        Binding("pagedown,ctrl+f", "scroll('page', 1)", "page down", show=False, id="document.page_down"),
        Binding("pageup,ctrl+b", "scroll('page', -1)", "page up", show=False, id="document.page_up"),
        Binding("w", "wrap", "wrap", show=False, id="document.wrap"),
    ]

    def __init__(self, name: str, value: Any) -> None:
        super().__init__()
        self._heading = name
        self._text = safe_json(msgspec.to_builtins(value), 2)[:LONGEST]

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Label(content(f"{self._heading} as JSON · w wraps · esc back"), classes="title", markup=False)
            yield _Plain()

    def on_mount(self) -> None:
        log = self.query_one(_Plain)
        log.following = False
        log.add(LogLine(number, "", line) for number, line in enumerate(lines(self._text), 1))
        log.focus()

    def action_scroll(self, move: str, by: int) -> None:
        getattr(self.query_one(_Plain), move)(by)

    def action_wrap(self) -> None:
        log = self.query_one(_Plain)
        log.set_wrap(not log.wrap)


class _Plain(LogLines):
    """Lines without times."""

    MARGIN = 1
