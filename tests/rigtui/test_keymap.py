"""Every key has an id, words, a palette entry and a line in the documentation, and no two want one key."""

from pathlib import Path

import pytest

from rigtui import keymap
from rigtui.screens.issue import IssueScreen
from rigtui.screens.queue import QueueScreen
from rigtui.screens.session import SessionScreen
from tests.rigtui.fakes import Alone

SCREENS = (QueueScreen, IssueScreen, SessionScreen)


def test_no_two_keys_clash() -> None:
    assert keymap.clashes() == []
    assert len({key.id for key in keymap.KEYS}) == len(keymap.KEYS)


@pytest.mark.parametrize("screen", SCREENS)
def test_every_key_of_a_screen_does_something_there(screen: type) -> None:
    for key in keymap.on(screen.WHERE):  # type: ignore[attr-defined]  # each of them has it
        name = key.action.partition("(")[0]
        owner = Alone if name.startswith("app.") else screen
        assert hasattr(owner, f"action_{name.removeprefix('app.')}"), key.id


def test_the_documented_keys_are_the_keys(repository: Path) -> None:
    page = (repository / "docs" / "dashboard.md").read_text()
    assert "\n".join(keymap.table()) in page, "write this table into docs/dashboard.md:\n" + "\n".join(keymap.table())


async def test_every_key_is_in_the_palette(alone: Alone) -> None:
    async with alone.run_test() as pilot:
        await pilot.pause()
        titles = {command.title for command in alone.get_system_commands(alone.screen)}
        assert {key.text for key in keymap.on("queue") if key.id != "palette"} <= titles
