"""Saying something to the fleet: read what it is about, type, look once more, send."""

from collections.abc import Sequence
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


class WordScreen(ModalScreen[str | None]):
    """Gives what was typed, None for nothing. Enter shows what would be sent; only a second enter sends it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "back", show=False, id="answer.back")]

    def __init__(self, head: str, about: str, hint: str, options: Sequence[str] = (), empty: str = "") -> None:
        """``empty`` is what is asked before nothing is sent; without it something has to be typed."""
        super().__init__()
        self._head = head
        self._about = about
        self._hint = hint
        self._options = options
        self._empty = empty
        self._ready: str | None = None
        """What the next enter sends."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="box -small"):
            yield Label(content(self._head), classes="title", markup=False)
            yield Label(content(self._about), classes="question", markup=False)
            for number, option in enumerate(self._options, 1):
                yield Label(content(f"  {number}  {plain(option, 200)}"), classes="option", markup=False)
            yield Input(compact=True, placeholder=self._hint)
            yield Label(content("enter, and enter again to send · esc back"), classes="note", markup=False)

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
        options = self._options
        if text.isdecimal() and 1 <= int(text) <= len(options):
            text = str(options[int(text) - 1])
        if text or self._empty:
            self._ready = text
            wanted = f"send “{plain(text, 120)}”?" if text else self._empty
            self._note(f"{wanted} enter sends, esc goes back")

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


class AnswerScreen(WordScreen):
    """Answering what waits for a person."""

    def __init__(self, question: AttentionItem) -> None:
        head = f"? {plain(question.subject, 80)} {ASKS.get(question.kind, question.kind)}"
        hint = "your answer, or the number of one above" if question.options else "your answer"
        super().__init__(head, question.question, hint, question.options)


class SteerScreen(WordScreen):
    """Saying something to an agent at work."""

    def __init__(self, issue: str, agent: str | None) -> None:
        about = f"{plain(agent, 80) or 'Its agent'} is told in the middle of its work, at the latest with its next turn."
        super().__init__(f"» {plain(issue, 80)}", about, "what it should know")
