"""The host: what plugins registered, called guarded, and what becomes of those that fail again and again (I30)."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from rig.clock import ManualClock
from rig.errors import BadSignature, PluginError, ProcessError
from rig.plugin.contexts import Fault, HealthContext, Identity, WebhookDelivery, WebhookSettings
from rig.plugin.host import PluginHost
from rig.plugin.settings import PluginSettings
from tests.plugin.conftest import MakePlugin
from tests.standins.session import LocalSession

SOURCE = """
    class Source:
        type = "odd"
        def verify(self, delivery, secrets):
            secrets.clear()
            raise rig.BadSignature
        def identify(self, delivery):
            delivery.headers.clear()
            return rig.Identity("1", "x")
        def normalize(self, delivery, settings):
            raise LookupError("nothing here")

    class Checker:
        name, critical = "odd", True
        async def check(self, context):
            return rig.CheckResult()

    @rig.hookimpl
    def rig_register_webhook_sources(context):
        return [Source()]

    @rig.hookimpl
    def rig_register_health_checkers():
        return (Checker() for _ in range(1))
"""

PROVIDER = """
    class Provider:
        name = "odd"
        async def run(self, session):
            return await session.config(session)

    @rig.hookimpl
    def rig_register_providers(context):
        return [rig.ProviderRegistration("odd", Provider())]
"""

DELIVERY = WebhookDelivery(b"{}", {"a": "b"})


async def _well() -> None:
    return None


def _host(make_plugin: MakePlugin, code: str, faults: list[Fault] | None = None) -> PluginHost:
    host = PluginHost(
        PluginSettings(strikes=3), entries=[make_plugin("odd", code)], on_fault=None if faults is None else faults.append
    )
    host.load()
    return host


async def test_a_source_that_fails_again_and_again_is_quarantined_and_named(make_plugin: MakePlugin) -> None:
    faults: list[Fault] = []
    host = _host(make_plugin, SOURCE, faults)
    source = host.webhook_sources["odd"]
    for _ in range(3):
        with pytest.raises(PluginError, match=r"plugin odd failed in odd.normalize: LookupError$"):
            await source.normalize(DELIVERY, WebhookSettings())
    with pytest.raises(PluginError, match="quarantined"):
        await source.identify(DELIVERY)
    (record,) = host.records()
    assert (record.state, record.strikes, record.calls) == ("quarantined", 3, 5)
    assert re.fullmatch(r"odd\.normalize: LookupError: nothing here \(strange_\d+\.py:12\)", record.last_error or "")
    assert [f.quarantined for f in faults] == [False, False, True]
    context = HealthContext(store_ping=_well, streams_ping=_well, loop_lag=lambda: 0.0, data_dir=Path("/"))
    report = await host.health(ManualClock()).report(context)
    assert report.overall == "Degraded"
    assert [(d.name, d.reason) for d in report.dependencies] == [
        ("odd", "plugin odd is quarantined"),
        ("plugin:odd", "quarantined: odd.normalize"),
    ]


async def test_a_source_gets_copies_and_its_refusals_are_no_faults(make_plugin: MakePlugin) -> None:
    source = _host(make_plugin, SOURCE).webhook_sources["odd"]
    secrets = ["s"]
    for _ in range(5):
        with pytest.raises(BadSignature):
            await source.verify(DELIVERY, secrets)
    assert await source.identify(DELIVERY) == Identity("1", "x")
    assert (secrets, DELIVERY.headers) == (["s"], {"a": "b"})


async def test_a_provider_that_breaks_ends_its_session_and_nothing_else(make_plugin: MakePlugin, tmp_path: Path) -> None:
    provider = _host(make_plugin, PROVIDER).provider("odd")

    async def leaves(_: object) -> None:
        raise SystemExit(1)

    async def misses(_: object) -> None:
        raise ProcessError("claude: there is no such program on PATH")

    async def babbles(_: object) -> str:
        return "done"

    with pytest.raises(PluginError, match="SystemExit"):
        await provider.run(LocalSession(tmp_path, leaves))
    with pytest.raises(ProcessError):
        await provider.run(LocalSession(tmp_path, misses))
    with pytest.raises(PluginError, match="answered with str"):
        await provider.run(LocalSession(tmp_path, babbles))


def test_two_hosts_know_nothing_of_each_other(make_plugin: MakePlugin) -> None:
    entry = make_plugin("odd", PROVIDER)
    first, second = PluginHost(entries=[entry]), PluginHost(entries=[])
    first.load()
    second.load()
    assert set(first.providers) == {"odd"}
    assert (second.providers, second.records()) == ({}, [])
    assert import_module(entry.value).Provider.name == "odd"
