"""The keys of a screen, searchable; enter runs one."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label

from rigtui.filtering import Filter
from rigtui.keymap import Key
from rigtui.text import content
from rigtui.widgets.lines import Span
from rigtui.widgets.table import Column, Table

COLUMNS = (Column("KEY", 18), Column("WHAT IT DOES"))


class HelpScreen(ModalScreen[str | None]):
    """Gives the action to run, None for none."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "back", show=False, id="help.back"),
        Binding("down", "move(1)", "down", show=False, id="help.down"),
        Binding("up", "move(-1)", "up", show=False, id="help.up"),
    ]

    def __init__(self, keys: tuple[Key, ...]) -> None:
        super().__init__()
        self._keys = {key.id: key for key in keys}

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Label(content("keys · type to search, enter runs, esc back"), classes="title", markup=False)
            yield Input(compact=True, placeholder="search")
            yield Table(COLUMNS, self._cells, empty="no key does that")

    def _cells(self, key: str) -> Sequence[Span]:
        found = self._keys[key]
        return ((found.keys_text, "accent"), (found.text, "text"))

    def on_mount(self) -> None:
        self._table.can_focus = False
        self._table.show(list(self._keys))
        self.query_one(Input).focus()

    @property
    def _table(self) -> Table:
        return self.query_one(Table)

    @on(Input.Changed)
    def _search(self, event: Input.Changed) -> None:
        import re

        wanted = Filter(re.escape(event.value).replace("\\ ", " "))
        self._table.show([k.id for k in self._keys.values() if wanted({"key": k.keys_text, "text": k.text, "id": k.id})])

    @on(Input.Submitted)
    def _chosen(self) -> None:
        chosen = self._table.cursor_key
        self.dismiss(None if chosen is None else self._keys[chosen].action)

    def action_move(self, by: int) -> None:
        self._table.move(by)
