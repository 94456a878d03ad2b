"""Loading plugins: the good are enabled, the broken have a record, and nothing else is disturbed (I30, F15)."""

import threading
import time
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from rig.clock import ManualClock
from rig.errors import ConfigError, PluginError
from rig.plugin.contexts import Fault
from rig.plugin.host import PluginHost
from rig.plugin.record import PluginRecord
from rig.plugin.settings import PluginSettings
from tests.plugin.conftest import MakePlugin

GOOD = """
    class Sleeper:
        name = "sleeper"
        async def run(self, session):
            return rig.SessionResult(True)

    @rig.hookimpl
    def rig_register_providers(context):
        return [rig.ProviderRegistration("sleeper", Sleeper())]
"""

CONFIGURED = """
    import pydantic
    class Config(pydantic.BaseModel):
        model_config = {"extra": "forbid"}
        size: int = 3
        colour: str = "red"
    RIG_CONFIG = Config
    seen = []
    @rig.hookimpl
    def rig_register_health_checkers(context):
        seen.append(context)
        return []
"""


def _load(*entries: object, **settings: object) -> tuple[PluginHost, dict[str, PluginRecord]]:
    host = PluginHost(PluginSettings(**settings), entries=list(entries))  # type: ignore[arg-type]
    host.load()
    return host, {r.name: r for r in host.records()}


def test_a_good_plugin_is_enabled_and_its_provider_is_there(make_plugin: MakePlugin) -> None:
    host, records = _load(make_plugin("good", GOOD))
    assert records["good"].state == "enabled"
    assert records["good"].hooks == ("rig_register_providers",)
    assert records["good"].calls == 1
    assert records["good"].last_error is None
    assert host.provider("sleeper").name == "sleeper"


def test_an_unknown_provider_is_refused_with_the_names_of_those_there_are(make_plugin: MakePlugin) -> None:
    host, _ = _load(make_plugin("good", GOOD))
    with pytest.raises(ConfigError, match="installed: sleeper"):
        host.provider("claude")


@pytest.mark.parametrize(
    ("code", "state", "error"),
    [
        ("import nowhere_at_all", "load_error", "ModuleNotFoundError"),
        ("raise RuntimeError('bad\\nday')", "load_error", "RuntimeError: bad day"),
        ("import sys; sys.exit(3)", "load_error", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "load_error", "KeyboardInterrupt"),
        ("raise TimeoutError('of its own')", "load_error", "TimeoutError: of its own"),
        ("def (", "load_error", "SyntaxError"),
        ("import threading; threading.Event().wait(30)", "load_error", "import took longer than 0.5 s"),
        ("RIG_REQUIRES = '>=99'", "load_error", "needs rig >=99, and this is 0."),
        ("RIG_REQUIRES = 'soon'", "load_error", "not a version range"),
        ("RIG_CONFIG = 'nowhere_at_all:Config'", "load_error", "ModuleNotFoundError"),
        ("@rig.hookimpl\ndef rig_make_coffee(): ...", "load_error", "there is no hook rig_make_coffee (strange_"),
        ("@rig.hookimpl\ndef rig_befor_run(context): ...", "load_error", "no hook rig_befor_run; is rig_before_run meant?"),
        ("def rig_before_run(context): ...", "load_error", "rig_before_run is not marked with @rig.hookimpl (strange_"),
        ("@rig.hookimpl\ndef rig_before_run(c): ...", "load_error", "rig_before_run takes c; its one argument must be called"),
        ("import json\njson.loads('{')", "load_error", ".py:3)"),
        ("@rig.hookimpl\ndef rig_register_providers(context, sugar): ...", "load_error", "sugar"),
        ("@rig.hookimpl\ndef rig_register_providers(): raise SystemExit", "load_error", "rig_register_providers: SystemExit"),
        ("@rig.hookimpl\ndef rig_register_providers(): raise rig.ConfigError('no')", "config_error", "no"),
        ("@rig.hookimpl\ndef rig_register_providers(): return 7", "load_error", "must return a list, not int"),
        ("@rig.hookimpl\ndef rig_register_providers(): return None", "load_error", "must return a list, not NoneType"),
        ("@rig.hookimpl\ndef rig_register_providers(): return ['x']", "load_error", "not str"),
        ("@rig.hookimpl\ndef rig_register_webhook_sources(): return [object()]", "load_error", "WebhookSource"),
        ("@rig.hookimpl\ndef rig_register_health_checkers(): return [object()]", "load_error", "HealthChecker"),
        ("@rig.hookimpl(wrapper=True)\ndef rig_register_providers():\n  return (yield)", "load_error", "is a wrapper"),
        (
            "import threading\n@rig.hookimpl\ndef rig_register_providers(): threading.Event().wait(30)",
            "load_error",
            "timeout after 0.5 s",
        ),
    ],
)
def test_a_broken_plugin_has_a_record_and_the_others_are_loaded(
    make_plugin: MakePlugin, code: str, state: str, error: str
) -> None:
    host, records = _load(make_plugin("broken", code), make_plugin("good", GOOD), load_seconds=0.5)
    assert records["broken"].state == state
    assert error in (records["broken"].last_error or "")
    assert records["good"].state == "enabled"
    assert set(host.providers) == {"sleeper"}


def test_a_plugin_that_breaks_half_way_leaves_nothing_behind(make_plugin: MakePlugin) -> None:
    code = (
        GOOD
        + """
    @rig.hookimpl
    def rig_register_health_checkers(context):
        raise OSError
    """
    )
    host, records = _load(make_plugin("half", code))
    assert records["half"].state == "load_error"
    assert host.providers == {}


def test_a_provider_belongs_to_the_first_that_registers_it(make_plugin: MakePlugin) -> None:
    first, second = make_plugin("b", GOOD), make_plugin("a", GOOD)
    host, records = _load(first, second)
    assert records["a"].state == "enabled"
    assert records["b"].last_error == (
        f"rig_register_providers: 'sleeper' is registered already by the plugin a ({second.value}): "
        "rename it, or leave one of the two plugins out with plugins.disabled"
    )
    assert set(host.providers) == {"sleeper"}


def test_a_plugin_that_registers_a_name_twice_is_told_so(make_plugin: MakePlugin) -> None:
    code = GOOD.replace("[rig.ProviderRegistration", "2 * [rig.ProviderRegistration")
    _, records = _load(make_plugin("a", code))
    assert records["a"].last_error == "rig_register_providers: 'sleeper' is registered twice"


def test_of_plugins_of_one_name_none_is_imported_and_each_is_told_with_where_it_is_from(
    make_plugin: MakePlugin, tmp_path: Path
) -> None:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "same.py").write_text("raise RuntimeError('imported')")
    one, other = make_plugin("same", "raise RuntimeError('imported')"), EntryPoint("same", "rig_mock", "rig")
    installed = next(e for e in entry_points(group="rig") if e.name == "mock").dist
    assert installed is not None
    other = other._for(installed)  # type: ignore[attr-defined]  # as importlib.metadata makes them
    host, records = _load(other, one, folder=folder)
    assert (host.providers, records["same"].state) == ({}, "load_error")
    files = sorted(
        [
            (str(folder / "same.py"), "the file same.py"),
            (one.value, one.value),
            ("rig_mock", f"rig_mock of rigtui {installed.version}"),
        ]
    )
    first, second, third = (said for _, said in files)
    assert records["same"].last_error == (
        f"3 plugins are called same: {first}, {second} and {third}. None of them is loaded: "
        "uninstall one, or rename its entry point or its file"
    )


async def test_a_name_of_several_plugins_can_be_left_out_and_cannot_be_let_in(make_plugin: MakePlugin) -> None:
    host, records = _load(make_plugin("same", GOOD), make_plugin("same", GOOD), disabled=frozenset({"same"}), strict=True)
    assert records["same"].state == "disabled"
    assert (await host.switch("same", True)).state == "load_error"
    assert (await host.switch("same", True)).state == "load_error"
    assert host.providers == {}


async def test_a_plugin_whose_name_was_taken_while_it_was_out_is_told_so_when_it_comes_back(make_plugin: MakePlugin) -> None:
    host, records = _load(make_plugin("a", GOOD), make_plugin("b", GOOD))
    assert records["b"].state == "load_error"
    await host.switch("a", False)
    back = await host.switch("b", True)
    assert (back.state, back.last_error) == ("enabled", None)
    again = await host.switch("a", True)
    assert (again.state, "by the plugin b" in (again.last_error or "")) == ("load_error", True)
    await host.switch("a", False)
    assert host.provider("sleeper")
    await host.switch("b", False)
    assert (await host.switch("a", True)).state == "enabled"
    assert host.provider("sleeper")


def test_one_line_found_twice_on_the_path_is_one_plugin(make_plugin: MakePlugin) -> None:
    entry = make_plugin("good", GOOD)
    _, records = _load(entry, entry)
    assert records["good"].state == "enabled"


async def test_what_is_refused_is_refused_again_by_who_lets_it_in(make_plugin: MakePlugin) -> None:
    host, _ = _load(make_plugin("odd", "@rig.hookimpl(wrapper=True)\ndef rig_register_providers():\n  return (yield)"))
    record = await host.switch("odd", True)
    assert (record.state, record.last_error) == (
        "load_error",
        "rig_register_providers is a wrapper, and plugins don't wrap each other",
    )


def test_what_goes_wrong_while_it_hands_its_things_over_is_told_with_its_line(make_plugin: MakePlugin) -> None:
    entry = make_plugin("odd", "@rig.hookimpl\ndef rig_register_providers():\n    yield from {}['x']")
    _, records = _load(entry)
    assert records["odd"].last_error == f"rig_register_providers: KeyError: 'x' ({entry.value}.py:4)"


def test_an_entry_point_must_name_a_module(make_plugin: MakePlugin) -> None:
    _, records = _load(make_plugin("odd", target="os.path:join"))
    assert "must name a module" in (records["odd"].last_error or "")


@pytest.mark.parametrize("settings", [{"disabled": frozenset({"bad"})}, {"only": frozenset({"good"})}])
def test_a_disabled_plugin_is_not_even_imported(make_plugin: MakePlugin, settings: dict[str, object]) -> None:
    _, records = _load(make_plugin("good", GOOD), make_plugin("bad", "raise RuntimeError"), **settings)
    assert {n: r.state for n, r in records.items()} == {"bad": "disabled", "good": "enabled"}


def test_a_strict_start_is_refused_by_a_broken_plugin_and_says_which(make_plugin: MakePlugin) -> None:
    with pytest.raises(PluginError, match="bad: RuntimeError"):
        _load(make_plugin("good", GOOD), make_plugin("bad", "raise RuntimeError"), strict=True)


def test_a_plugin_gets_its_validated_configuration(make_plugin: MakePlugin) -> None:
    entry = make_plugin("conf", CONFIGURED)
    _load(entry, config={"conf": {"size": 9}})
    (context,) = import_module(entry.value).seen
    assert (context.config.size, context.config.colour, context.plugin) == (9, "red", "conf")


def test_a_wrong_configuration_names_every_key_at_once(make_plugin: MakePlugin) -> None:
    _, records = _load(make_plugin("conf", CONFIGURED), config={"conf": {"size": "big", "shape": 1}})
    assert records["conf"].state == "config_error"
    error = records["conf"].last_error or ""
    assert "plugins.conf.size" in error
    assert "plugins.conf.shape" in error


def test_a_validator_that_breaks_is_an_error_of_the_configuration(make_plugin: MakePlugin) -> None:
    code = """
    import pydantic
    class Config(pydantic.BaseModel):
        size: int = 3
        @pydantic.field_validator("size")
        @classmethod
        def breaks(cls, size):
            return {}[size]
    RIG_CONFIG = Config
    @rig.hookimpl
    def rig_register_providers(context):
        return [rig.ProviderRegistration("odd", Odd(), config=Config)]
    class Odd:
        async def run(self, session): ...
    """
    host, records = _load(make_plugin("odd", code))
    assert records["odd"].state == "enabled"
    with pytest.raises(ConfigError, match=r"\[providers.odd\] could not be validated: KeyError: 4"):
        host.provider("odd").configure({"size": 4})
    _, records = _load(make_plugin("odd", code), config={"odd": {"size": 4}})
    assert (records["odd"].state, records["odd"].last_error) == (
        "config_error",
        "[plugins.odd] could not be validated: KeyError: 4",
    )


def test_configuration_for_a_plugin_that_takes_none_is_an_error(make_plugin: MakePlugin) -> None:
    _, records = _load(make_plugin("good", GOOD), config={"good": {"size": 1}})
    assert records["good"].state == "config_error"


def test_a_broken_plugin_is_named_in_health_and_is_not_critical(make_plugin: MakePlugin) -> None:
    host, _ = _load(make_plugin("bad", "raise RuntimeError('/secret/path')"))
    assert host._broken() == [("bad", "load_error: RuntimeError")]
    assert host.health(ManualClock()) is not None


def test_a_hanging_import_does_not_hold_up_the_exit(make_plugin: MakePlugin) -> None:
    _load(make_plugin("hang", "import threading; threading.Event().wait(30)"), load_seconds=0.05)
    assert all(t.daemon for t in threading.enumerate() if t.name.startswith("plugin-"))


def test_faults_while_loading_are_reported(make_plugin: MakePlugin) -> None:
    faults: list[Fault] = []
    entry = make_plugin("bad", "@rig.hookimpl\ndef rig_register_providers(): raise OSError('disk')")
    PluginHost(entries=[entry], on_fault=faults.append).load()
    error = f"OSError: disk ({entry.value}.py:3)"
    assert [(f.plugin, f.what, f.error) for f in faults] == [("bad", "rig_register_providers", error)]


@pytest.mark.parametrize(
    ("section", "environ", "expected"),
    [
        ({}, {}, PluginSettings()),
        (
            {"disabled": ["a"], "dir": "/x", "github": {"k": 1}},
            {"RIG_LOAD_PLUGINS": "b, c", "RIG_STRICT_PLUGINS": "1"},
            PluginSettings(frozenset({"a"}), frozenset({"b", "c"}), True, {"github": {"k": 1}}, folder=Path("/x")),
        ),
        ({}, {"RIG_LOAD_PLUGINS": "", "RIG_STRICT_PLUGINS": "0"}, PluginSettings(only=frozenset())),
    ],
)
def test_settings_come_from_section_and_environment(
    section: dict[str, object], environ: dict[str, str], expected: PluginSettings
) -> None:
    assert PluginSettings.of(section, environ) == expected


def test_the_plugins_of_this_repository_load_without_a_fault() -> None:
    entries = [
        EntryPoint(n, f"rig_{n}", "rig")
        for n in ("checks", "claude", "codex", "command", "github", "gitlab", "linear", "mock", "openai", "webhooks")
    ]
    began = time.perf_counter()
    host, records = _load(*entries, strict=True)
    assert time.perf_counter() - began < 5
    assert {r.state for r in records.values()} == {"enabled"}
    assert set(host.providers) == {"claude", "codex", "command", "gemma", "mock", "openai", "qwen", "vllm"}
    assert set(host.webhook_sources) == {"github", "gitlab", "linear", "standard", "hmac"}
    with pytest.raises(ConfigError, match="providers.command.command: Field required"):
        host.provider("command").configure({})
    with pytest.raises(ConfigError, match="ask_seconds"):
        host.provider("claude").configure({"approval": "ask", "ask_seconds": 0})


def test_a_plugin_that_floods_the_log_while_it_is_imported_has_a_strike(make_plugin: MakePlugin) -> None:
    code = "from rig.quota import WRITING\nfor _ in range(5_000): WRITING.get().admits(0.0)"
    _, records = _load(make_plugin("loud", code))
    record = records["loud"]
    assert (record.state, record.strikes) == ("enabled", 1)
    assert (record.last_error or "").startswith("import: 4900 log records at once")


def test_many_plugins_that_hang_hold_up_the_start_little_longer_than_one(make_plugin: MakePlugin) -> None:
    hangs = "import threading; threading.Event().wait(30)"
    registers = "import threading\n@rig.hookimpl\ndef rig_register_providers(): threading.Event().wait(30)"
    began = time.monotonic()
    entries = [make_plugin(f"a{n}", hangs if n % 2 else registers) for n in range(5)]
    _, records = _load(*entries, make_plugin("z", GOOD), load_seconds=1.0)
    assert 1.6 < time.monotonic() - began < 4
    assert [records[f"a{n}"].state for n in range(5)] == ["load_error"] * 5
    assert sorted((records[f"a{n}"].last_error or "").rpartition(" ")[0].split()[-1] for n in range(5)) == ["0.2"] * 4 + ["1"]
    assert records["z"].state == "enabled"
