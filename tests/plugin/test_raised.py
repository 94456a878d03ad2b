"""What plugins raise, told in one line that anybody can show."""

import pytest

from rig.errors import PluginError
from rig.plugin.guard import Guard
from rig.plugin.raised import MAX_ERROR, describe, headline, told
from tests.plugin.conftest import MakePlugin


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("and this too")


def test_an_exception_is_its_name_and_its_text_on_one_line_that_can_be_shown() -> None:
    assert describe(ValueError()) == "ValueError"
    assert describe(ValueError(" a\n b ")) == "ValueError: a b"
    assert describe(ValueError("\x1b[31mred\ud800")) == "ValueError: red\ufffd"
    assert len(describe(ValueError("x" * 10**6))) == MAX_ERROR


async def test_one_that_cannot_be_told_is_a_fault_like_any_other() -> None:
    async def raises() -> None:
        raise Mute

    guard = Guard("odd")
    with pytest.raises(PluginError, match=r"plugin odd failed in odd.run: Mute$"):
        await guard.call("odd.run", raises, deadline=5)
    assert (guard.last_error, guard.strikes) == ("odd.run: Mute", 1)


def test_a_long_text_does_not_push_the_place_out(make_plugin: MakePlugin) -> None:
    entry = make_plugin("odd", "def fails(text):\n    raise LookupError(text)")
    module = entry.load()
    with pytest.raises(LookupError) as raised:
        module.fails("x" * 1000)
    line = told(raised.value, entry.value)
    assert line.endswith(f"… ({entry.value}.py:3)")
    assert (len(line), headline(line)) == (MAX_ERROR, "LookupError")
