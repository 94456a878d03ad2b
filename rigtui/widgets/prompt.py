"""The line in which one types: a command behind ``:``, a filter behind ``/``."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.suggester import SuggestFromList
from textual.widgets import Input, Label


class Prompt(Horizontal):
    """Hidden until ``ask``; tells what was typed, and hides again."""

    DEFAULT_CSS = """
    Prompt {
        height: 1; display: none; background: $surface;
        Label { width: 3; padding: 0 1; color: $accent; text-style: bold; }
        Input { border: none; height: 1; padding: 0; background: $surface; }
    }
    Prompt.-open { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "leave", show=False, id="prompt.leave")]

    class Typed(Message):
        """What stands there while one types; ``done`` once enter was pressed."""

        def __init__(self, kind: str, text: str, done: bool) -> None:
            super().__init__()
            self.kind = kind
            self.text = text
            self.done = done

    class Left(Message):
        """Escape: nothing is wanted."""

        def __init__(self, kind: str) -> None:
            super().__init__()
            self.kind = kind

    def __init__(self) -> None:
        super().__init__()
        self._kind = ":"

    def compose(self) -> ComposeResult:
        yield Label(":", markup=False)
        yield Input(compact=True, select_on_focus=False)

    def ask(self, kind: str, text: str = "", suggestions: Sequence[str] = ()) -> None:
        """Open for a command (``:``) or a filter (``/``), with ``text`` there already."""
        self._kind = kind
        self.query_one(Label).update(kind)
        field = self.query_one(Input)
        field.suggester = SuggestFromList(suggestions, case_sensitive=False) if suggestions else None
        with self.prevent(Input.Changed):
            field.value = text
        field.cursor_position = len(text)
        self.add_class("-open")
        field.focus()

    def close(self) -> None:
        """Hide."""
        self.remove_class("-open")

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.has_class("-open"):
            self.post_message(self.Typed(self._kind, event.value, False))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.close()
        self.post_message(self.Typed(self._kind, event.value, True))

    def action_leave(self) -> None:
        self.close()
        self.post_message(self.Left(self._kind))
