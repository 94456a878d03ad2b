"""Switching plugins while the daemon runs: because somebody wants it, or because the configuration says so now."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from rig.errors import NotFound, StorageUnavailable
from rig.plugin.contexts import Fault
from rig.plugin.host import PluginHost
from rig.plugin.settings import PluginSettings
from tests.plugin.conftest import MakePlugin

BROKEN = "@rig.hookimpl\ndef rig_register_notifiers(context):\n    raise LookupError('no')"
GOOD = "@rig.hookimpl\ndef rig_before_dispatch():\n    return None"


class Switched:
    """A host whose plugins ``broken`` and ``good`` are disabled at first, and what it is told of faults."""

    def __init__(self, make_plugin: MakePlugin, allow: frozenset[str] | None = None) -> None:
        self.faults: list[Fault] = []
        self.disabled = {"broken", "good"}
        self.host = PluginHost(
            PluginSettings(disabled=frozenset(self.disabled), allow=allow),
            entries=[make_plugin("broken", BROKEN), make_plugin("good", GOOD)],
            on_fault=self.faults.append,
        )
        self.host.load()

    def states(self) -> dict[str, str]:
        return {record.name: record.state for record in self.host.records()}

    async def follow(self) -> None:
        await self.host.follow(lambda: self.disabled)


async def test_what_the_configuration_says_is_done_once(make_plugin: MakePlugin) -> None:
    switched = Switched(make_plugin)
    switched.disabled = set()
    for _ in range(2):
        await switched.follow()
        assert switched.states() == {"broken": "load_error", "good": "enabled"}
    assert len(switched.faults) == 1
    switched.disabled = {"good"}
    await switched.follow()
    assert switched.states() == {"broken": "load_error", "good": "disabled"}


async def test_a_switch_that_the_configuration_hears_of_is_not_done_again_by_who_follows_it(make_plugin: MakePlugin) -> None:
    switched = Switched(make_plugin)
    following: list[asyncio.Task[None]] = []

    async def say() -> None:
        switched.disabled.discard("broken")
        following.append(asyncio.ensure_future(switched.follow()))
        await asyncio.sleep(0.01)  # it could begin before the switch does

    assert (await switched.host.switch("broken", True, say)).state == "load_error"
    await asyncio.gather(*following)
    assert len(switched.faults) == 1
    await switched.host.switch("broken", True)
    assert len(switched.faults) == 2, "who asks for it again gets another try"


async def test_two_switches_end_as_the_last_says_and_those_who_follow_change_nothing(make_plugin: MakePlugin) -> None:
    switched = Switched(make_plugin)
    seen: list[str] = []

    async def say(on: bool) -> None:
        (switched.disabled.discard if on else switched.disabled.add)("good")
        asyncio.ensure_future(switched.follow()).add_done_callback(lambda _: seen.append(switched.states()["good"]))

    await asyncio.gather(*(switched.host.switch("good", on, partial(say, on)) for on in (True, False, True)))
    async with asyncio.timeout(5):
        while len(seen) < 3:
            await asyncio.sleep(0.01)
    assert seen == ["enabled"] * 3


async def test_what_may_not_be_said_is_not_done(make_plugin: MakePlugin) -> None:
    switched = Switched(make_plugin)

    async def refuse() -> None:
        raise StorageUnavailable("the disk is full")

    with pytest.raises(StorageUnavailable):
        await switched.host.switch("good", True, refuse)
    assert switched.states()["good"] == "disabled"
    with pytest.raises(NotFound):
        await switched.host.switch("nobody", True, refuse)


async def test_a_plugin_that_is_not_allowed_stays_out_whatever_is_disabled(make_plugin: MakePlugin) -> None:
    switched = Switched(make_plugin, allow=frozenset({"broken"}))
    switched.disabled = set()
    await switched.follow()
    assert switched.states() == {"broken": "load_error", "good": "disabled"}


async def test_who_goes_away_while_a_plugin_is_loaded_leaves_the_next_switch_to_wait_for_it(
    make_plugin: MakePlugin, tmp_path: Path
) -> None:
    code = f"""
    import pathlib, time
    pathlib.Path({str(tmp_path / "begun")!r}).touch()
    time.sleep(0.3)
    @rig.hookimpl
    def rig_before_dispatch():
        return None
    """
    host = PluginHost(PluginSettings(disabled=frozenset({"slow"})), entries=[make_plugin("slow", code)])
    host.load()
    switching = asyncio.ensure_future(host.switch("slow", True))
    async with asyncio.timeout(5):
        while not (tmp_path / "begun").exists():
            await asyncio.sleep(0.01)
    switching.cancel()
    assert (await host.switch("slow", False)).state == "disabled"
    with pytest.raises(asyncio.CancelledError):
        await switching
    assert host.implementations("rig_before_dispatch") == []
    await asyncio.sleep(0.5)
    assert (host.records()[0].state, host.implementations("rig_before_dispatch")) == ("disabled", [])
