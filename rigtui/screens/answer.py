"""Answering an agent's question: read it, type, look once more, send."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label

from rig.wire.shapes.answers import AttentionItem
from rigtui.text import content, plain

ASKS = {"question": "asks", "approval": "waits for approval", "failure": "failed: what now?", "gate": "waits at a gate"}
"""Kind of what waits to how it is headed."""


class AnswerScreen(ModalScreen[str | None]):
    """Gives the answer, None for none. Enter shows what would be sent; only a second enter sends it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "back", show=False, id="answer.back")]

    def __init__(self, question: AttentionItem) -> None:
        super().__init__()
        self._question = question
        self._ready: str | None = None
        """What the next enter sends."""

    def compose(self) -> ComposeResult:
        question = self._question
        with Vertical(classes="box -small"):
            yield Label(
                content(f"? {plain(question.subject, 80)} {ASKS.get(question.kind, question.kind)}"),
                classes="title",
                markup=False,
            )
            yield Label(content(question.question), classes="question", markup=False)
            for number, option in enumerate(question.options, 1):
                yield Label(content(f"  {number}  {plain(option, 200)}"), classes="option", markup=False)
            yield Input(compact=True, placeholder=self._hint)
            yield Label(content("enter, and enter again to send · esc back"), classes="note", markup=False)

    @property
    def _hint(self) -> str:
        return "your answer, or the number of one above" if self._question.options else "your answer"

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _changed(self) -> None:
        if self._ready is not None:
            self._ready = None
            self._note("enter, and enter again to send · esc back")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        if self._ready is not None:
            self.dismiss(self._ready)
            return
        text = event.value.strip()
        options = self._question.options
        if text.isdecimal() and 1 <= int(text) <= len(options):
            text = str(options[int(text) - 1])
        if text:
            self._ready = text
            self._note(f"send “{plain(text, 120)}”? enter sends, esc goes back")

    def _note(self, text: str) -> None:
        note = self.query_one(".note", Label)
        note.update(content(text))
        note.set_class(self._ready is not None, "-ready")

    def action_leave(self) -> None:
        if self._ready is None:
            self.dismiss(None)
        else:
            self._ready = None
            self._note("enter, and enter again to send · esc back")
