"""The before and after hooks: asked one by one, told in order, and nothing that a plugin does holds anything up for long."""

import asyncio
from typing import Any

import pytest

from rig.errors import Conflict
from rig.plugin.happenings import Happenings
from rig.plugin.host import PluginHost
from rig.plugin.moments import DispatchContext, TransitionContext, Veto
from rig.plugin.settings import PluginSettings
from tests.plugin.conftest import MakePlugin

DISPATCH = DispatchContext(
    issue="o/r#1", title=None, labels=("hold",), priority="normal", attempt=1, agent="rig-1", provider="mock", model=None
)


def moved(sequence: int) -> TransitionContext:
    return TransitionContext(
        issue="o/r#1", before=None, after="queued", event="issue_approved", sequence=sequence, at="", agent=None, reason=None
    )


def host_of(make_plugin: MakePlugin, **codes: str) -> PluginHost:
    host = PluginHost(PluginSettings(strikes=3), entries=[make_plugin(name, code) for name, code in codes.items()])
    host.load()
    return host


VETO = "@rig.hookimpl\ndef rig_before_dispatch(context):\n    return rig.Veto('not {0}')"


async def test_every_implementation_is_asked_and_answers_come_by_name(make_plugin: MakePlugin) -> None:
    host = host_of(
        make_plugin,
        b=VETO.format("now"),
        a="@rig.hookimpl\nasync def rig_before_dispatch():\n    return None",
        c="@rig.hookimpl\ndef rig_before_dispatch(context):\n    raise LookupError('x')",
        d="@rig.hookimpl\ndef rig_before_dispatch(context):\n    return 'yes'",
        e=VETO.format("at all"),
    )
    found = await Happenings(host).ask("rig_before_dispatch", DISPATCH, Veto)
    assert found == [("b", Veto("not now")), ("e", Veto("not at all"))]
    assert {r.name: r.strikes for r in host.records()} == {"a": 0, "b": 0, "c": 1, "d": 1, "e": 0}


async def test_a_hook_sees_its_own_configuration(make_plugin: MakePlugin) -> None:
    code = """
    class Config(rig.PluginConfig):
        word: str = "x"
    RIG_CONFIG = Config
    @rig.hookimpl
    def rig_before_dispatch(context):
        return rig.Veto(context.config.word)
    """
    settings = PluginSettings(config={"p": {"word": "hello"}})
    host = PluginHost(settings, entries=[make_plugin("p", code)])
    host.load()
    assert await Happenings(host).ask("rig_before_dispatch", DISPATCH, Veto) == [("p", Veto("hello"))]


async def test_what_happened_is_told_in_order_also_to_one_that_fails_at_times(make_plugin: MakePlugin) -> None:
    code = """
    seen = []
    @rig.hookimpl
    async def rig_after_transition(context):
        if context.sequence % 5 == 0:
            raise LookupError(str(context.sequence))
        seen.append(context.sequence)
    """
    host = host_of(make_plugin, p=code)
    happenings = Happenings(host)
    for n in range(1, 13):
        happenings.tell("rig_after_transition", moved(n))
    ((plugin, function, _),) = host.implementations("rig_after_transition")
    seen = function.__globals__["seen"]
    async with asyncio.timeout(5):
        while len(seen) < 10:
            await asyncio.sleep(0.01)
    assert seen == [n for n in range(1, 13) if n % 5]
    assert not plugin.guard.quarantined


async def test_one_that_falls_behind_loses_calls_and_is_named_but_holds_nobody_up(
    make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rig.plugin.happenings.BEHIND", 3)
    host = host_of(
        make_plugin,
        p="import asyncio\n    @rig.hookimpl\n    async def rig_after_transition():\n        await asyncio.sleep(60)".replace(
            "\n    ", "\n"
        ),
    )
    happenings = Happenings(host)
    for n in range(10):
        happenings.tell("rig_after_transition", moved(n))
    assert "fell behind by 3 calls" in (host.records()[0].last_error or "")
    await happenings.stop()


async def test_a_flood_is_one_fault_and_quarantines_nobody_who_catches_up(
    make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten times as much at once as may wait; each flood is one strike, which the calls that do well take away."""
    monkeypatch.setattr("rig.plugin.happenings.BEHIND", 5)
    code = """
    seen = []
    @rig.hookimpl
    async def rig_after_transition(context):
        seen.append(context.sequence)
    @rig.hookimpl
    def rig_before_dispatch(context):
        return rig.Veto('not now')
    """
    host = host_of(make_plugin, p=code)
    happenings = Happenings(host)
    ((plugin, function, _),) = host.implementations("rig_after_transition")
    seen = function.__globals__["seen"]
    for flood in range(1, 5):
        for n in range(50):
            happenings.tell("rig_after_transition", moved(n))
        assert (plugin.guard.strikes, plugin.guard.quarantined) == (1, False)
        async with asyncio.timeout(5):
            while len(seen) < 5 * flood or plugin.guard.strikes:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0)
    assert seen == [0, 1, 2, 3, 4] * 4
    assert await happenings.ask("rig_before_dispatch", DISPATCH, Veto) == [("p", Veto("not now"))]


async def test_a_quarantined_plugin_is_passed_over_without_a_word_each_time(
    make_plugin: MakePlugin, caplog: pytest.LogCaptureFixture
) -> None:
    host = host_of(make_plugin, p="@rig.hookimpl\ndef rig_before_dispatch():\n    raise LookupError('x')")
    happenings = Happenings(host)
    for _ in range(20):
        assert await happenings.ask("rig_before_dispatch", DISPATCH, Veto) == []
    assert host.records()[0].state == "quarantined"
    assert len([record for record in caplog.records if record.name == "rig.plugin.happenings"]) == 3


async def test_a_disabled_plugin_is_neither_asked_nor_told_and_one_that_is_not_allowed_stays_out(
    make_plugin: MakePlugin,
) -> None:
    host = host_of(make_plugin, p=VETO.format("now"))
    happenings = Happenings(host)
    assert happenings.wanted("rig_before_dispatch")
    await host.switch("p", False)
    assert not happenings.wanted("rig_before_dispatch")
    assert host.records()[0].state == "disabled"
    await host.switch("p", True)
    assert await happenings.ask("rig_before_dispatch", DISPATCH, Veto)
    only = PluginHost(PluginSettings(allow=frozenset({"q"})), entries=[make_plugin("p", "")])
    only.load()
    with pytest.raises(Conflict, match="leaves p out"):
        await only.switch("p", True)


async def test_the_calls_are_remembered_with_their_outcome(make_plugin: MakePlugin) -> None:
    host = host_of(make_plugin, p=VETO.format("now"), q="@rig.hookimpl\ndef rig_before_dispatch():\n    raise LookupError('x')")
    await Happenings(host).ask("rig_before_dispatch", DISPATCH, Veto)
    where = f"{host.implementations('rig_before_dispatch')[1][1].__module__}.py:4"
    told: list[Any] = [(c.n, c.plugin, c.what, c.outcome, c.error) for c in host.calls.after(0)]
    assert told == [
        (1, "p", "rig_before_dispatch", "ok", None),
        (2, "q", "rig_before_dispatch", "fault", f"LookupError: x ({where})"),
    ]
    assert await host.calls.wait(2, None, 0.01) == []
