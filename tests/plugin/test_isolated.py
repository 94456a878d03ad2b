"""Plugins in a process of their own: they answer like others, and whatever they do to their process the daemon goes on."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import psutil
import pytest

from rig.clock import ManualClock
from rig.errors import NotSent, TrackerUnavailable
from rig.model.health import Dependency
from rig.plugin.contexts import HealthContext, ProviderSetup
from rig.plugin.host import PluginHost
from rig.plugin.notifier import Notification
from rig.plugin.settings import PluginSettings
from rig.plugin.steps import StepContext
from rig.plugin.tracker import PollContext

NOTIFICATION = Notification("1", "done", "info", "Done", "", "", None, "2026-01-01T00:00:00Z", 0)

MakeHost = Callable[[str], PluginHost]


@pytest.fixture
def make_host(tmp_path: Path) -> Iterator[MakeHost]:
    """A host with one isolated one-file plugin called ``odd``."""
    hosts: list[PluginHost] = []

    def make(code: str, **config: object) -> PluginHost:
        (tmp_path / "odd.py").write_text("import os, sys, asyncio, rig\n" + dedent(code))
        settings = PluginSettings(folder=tmp_path, strikes=3, config={"odd": {"isolate": "process", **config}})
        hosts.append(PluginHost(settings, entries=[]))
        hosts[-1].load()
        return hosts[-1]

    yield make
    for host in hosts:
        host.stop()


CHECKER = """
    class Checker:
        name, critical = "odd", True
        async def check(self, context):
            BODY

    @rig.hookimpl
    def rig_register_health_checkers(context):
        return [Checker()]
"""


async def look(host: PluginHost, *, store: Exception | str | None = None) -> Dependency:
    async def ping() -> str | None:
        if isinstance(store, Exception):
            raise store
        return store

    context = HealthContext(ping, ping, lambda: 0.25, Path("/data"))
    return (await host.health(ManualClock()).report(context)).dependencies[0]


async def test_a_checker_in_its_own_process_answers_with_what_the_daemon_told_it(make_host: MakeHost) -> None:
    body = "return rig.CheckResult('Degraded', f'{os.getppid()} {await context.store_ping()} {context.loop_lag()} {context.data_dir}')"
    found = await look(make_host(CHECKER.replace("BODY", body)), store="slow")
    assert (found.status, found.critical) == ("Degraded", True)
    assert found.reason == f"{__import__('os').getpid()} slow 0.25 /data"


async def test_a_module_in_the_working_directory_is_none_of_its_process(
    make_host: MakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies where the daemon was started would run with its rights, under the name of a module that it needs (I30)."""
    here = tmp_path / "here"
    here.mkdir()
    for name in ("msgspec", "queue"):
        (here / f"{name}.py").write_text("raise SystemExit('imported from the working directory')")
    monkeypatch.chdir(here)
    found = await look(make_host(CHECKER.replace("BODY", "return rig.CheckResult('Degraded', os.getcwd())")))
    assert found.reason == str(here)


async def test_a_checker_in_its_own_process_learns_of_providers_and_may_have_nothing_to_check(make_host: MakeHost) -> None:
    host = make_host(
        CHECKER.replace("BODY", "return rig.CheckResult() if 'x' in context.providers() else rig.NothingToCheck()")
    )
    known: dict[str, ProviderSetup] = {}
    context = HealthContext(_well, _well, lambda: 0.0, Path("/data"), lambda: known)
    assert (await host.health(ManualClock()).report(context)).dependencies == ()
    known["x"] = ProviderSetup({"command": "x"}, ("KEY",))
    assert [row.name for row in (await host.health(ManualClock()).report(context)).dependencies] == ["odd"]


async def _well() -> str | None:
    return None


async def test_what_the_daemon_could_not_say_raises_there_too(make_host: MakeHost) -> None:
    found = await look(make_host(CHECKER.replace("BODY", "await context.store_ping()")), store=OSError("gone"))
    assert (found.status, found.reason) == ("Unreachable", "check failed: RuntimeError")


@pytest.mark.rule("R0-11")
async def test_what_it_raises_is_told_as_of_any_other_with_the_line_of_its_own_code(make_host: MakeHost) -> None:
    host = make_host(CHECKER.replace("BODY", "raise LookupError('a long story ' * 100)"))
    assert (await look(host)).reason == "check failed: LookupError"
    error = host.records()[0].last_error or ""
    assert (error[:40], error[-12:]) == ("odd.check: LookupError: a long story a l", "… (odd.py:6)")


async def test_a_process_that_exits_is_a_strike_and_is_started_again(make_host: MakeHost) -> None:
    host = make_host(CHECKER.replace("BODY", "os._exit(3)"))
    for _ in range(3):
        assert (await look(host)).reason == "check failed: Died"
    (record,) = host.records()
    assert (record.state, record.strikes) == ("quarantined", 3)
    assert record.last_error == "odd.check: Died: its process ended with status 3"


async def test_a_quarantined_one_that_is_let_in_again_is_asked_again(make_host: MakeHost, tmp_path: Path) -> None:
    host = make_host(
        CHECKER.replace("BODY", "os._exit(3) if os.path.exists(__file__ + '.bad') else None; return rig.CheckResult()")
    )
    (tmp_path / "odd.py.bad").touch()
    for _ in range(3):
        await look(host)
    (tmp_path / "odd.py.bad").unlink()
    assert host.records()[0].state == "quarantined"
    await host.switch("odd", True)
    assert (await look(host)).status == "Ok"
    await host.switch("odd", False)
    assert host.records()[0].state == "disabled"
    await host.switch("odd", True)
    assert (await look(host)).status == "Ok"


async def test_a_check_that_hangs_its_process_does_not_hang_the_daemon(make_host: MakeHost) -> None:
    began = asyncio.get_running_loop().time()
    found = await look(make_host(CHECKER.replace("BODY", "import time; time.sleep(60)")))
    assert (found.status, found.reason) == ("Degraded", "timeout")
    assert asyncio.get_running_loop().time() - began < 5


async def test_an_iterator_that_is_empty_there_is_its_fault_and_holds_up_nobody(make_host: MakeHost) -> None:
    host = make_host(CHECKER.replace("async def", "def").replace("BODY", "return next(iter(()))"))
    found = await asyncio.wait_for(look(host), 10)
    assert (found.status, found.reason) == ("Unreachable", "check failed: RuntimeError")
    assert host.records()[0].last_error == "odd.check: RuntimeError: raised StopIteration (odd.py:6)"


async def test_what_it_prints_does_not_come_between(make_host: MakeHost) -> None:
    body = "print('{' * 1000); os.write(1, b'x' * 100_000); sys.stderr.write('line\\n' * 5000); return rig.CheckResult()"
    assert (await look(make_host(CHECKER.replace("BODY", body)))).status == "Ok"


async def test_a_step_runs_there_with_its_parameters_checked(make_host: MakeHost) -> None:
    code = """
        from pydantic import BaseModel

        class Params(BaseModel):
            n: int

        class Double:
            name, params = "double", Params
            async def run(self, context):
                return rig.StepResult(outputs={"n": 2 * context.params.n, "pid": os.getpid()})

        @rig.hookimpl
        def rig_register_step_kinds(context):
            return [Double()]
    """
    step = make_host(code).step_kinds["double"]
    result = await step.run(StepContext("r", "s", 1, {"n": 21}))
    assert result.outputs["n"] == 42
    assert result.outputs["pid"] != __import__("os").getpid()


async def test_what_it_refuses_is_an_answer_with_all_that_it_says(make_host: MakeHost) -> None:
    code = """
        class Odd:
            name, kinds = "odd", ()
            async def send(self, notification):
                raise rig.NotSent("full", retry_after=7, final=notification.title == "last")
            async def poll(self, context):
                raise rig.TrackerUnavailable("limit", retry_after=9)
            async def fetch(self, ids):
                raise rig.TrackerUnavailable

        @rig.hookimpl
        def rig_register_notifiers(context):
            return [Odd()]

        @rig.hookimpl
        def rig_register_trackers(context):
            return [Odd()]
    """
    host = make_host(code)
    for title in ("first", "last"):
        with pytest.raises(NotSent, match="^full$") as refused:
            await host.notifiers["odd"].send(replace(NOTIFICATION, title=title))
        assert (refused.value.retry_after, refused.value.final) == (7, title == "last")
    with pytest.raises(TrackerUnavailable, match="^limit$") as limited:
        await host.trackers["odd"].poll(PollContext())
    assert limited.value.retry_after == 9
    with pytest.raises(TrackerUnavailable, match="can't be read now") as unread:
        await host.trackers["odd"].fetch(["1"])
    assert (unread.value.retry_after, host.records()[0].strikes) == (None, 0)


async def test_one_that_is_refused_leaves_no_process_behind(tmp_path: Path) -> None:
    code = "import rig, os\n" + dedent(CHECKER.replace("BODY", "return rig.CheckResult('Degraded', str(os.getpid()))"))
    for name in ("first", "second"):
        (tmp_path / f"{name}.py").write_text(code)
    host = PluginHost(
        PluginSettings(folder=tmp_path, config={n: {"isolate": "process"} for n in ("first", "second")}), entries=[]
    )
    try:
        host.load()
        assert {r.name: r.state for r in host.records()} == {"first": "enabled", "second": "load_error"}
        for _ in range(2):
            assert (await host.switch("second", True)).state == "load_error"
        children = {process.pid for process in psutil.Process().children()}
        found = (await host.health(ManualClock()).report(HealthContext(_well, _well, lambda: 0.0, Path("/data")))).dependencies
        assert children == {int(next(row.reason or "" for row in found if row.name == "odd"))}
        await host.switch("first", False)
        assert (await host.switch("second", True)).state == "enabled"
    finally:
        host.stop()
    assert psutil.Process().children() == []


async def test_one_that_does_not_come_up_again_serves_nothing(make_host: MakeHost, tmp_path: Path) -> None:
    host = make_host(
        "if os.path.exists(__file__ + '.bad'): raise LookupError\n"
        + dedent(CHECKER.replace("BODY", "return rig.CheckResult()"))
    )
    await host.switch("odd", False)
    (tmp_path / "odd.py.bad").touch()
    assert (await host.switch("odd", True)).state == "load_error"
    context = HealthContext(_well, _well, lambda: 0.0, Path("/data"))
    assert [row.name for row in (await host.health(ManualClock()).report(context)).dependencies] == ["plugin:odd"]
    (tmp_path / "odd.py.bad").unlink()
    assert (await host.switch("odd", True)).state == "enabled"
    assert [row.name for row in (await host.health(ManualClock()).report(context)).dependencies] == ["odd"]


@pytest.mark.parametrize(
    ("code", "state", "error"),
    [
        ("raise LookupError('no')", "load_error", "LookupError: no"),
        ("os._exit(5)", "load_error", "its process ended with status 5"),
        (
            "RIG_CONFIG = None\nclass C(rig.PluginConfig):\n    n: int\nRIG_CONFIG = C",
            "config_error",
            "plugins.odd.n: Field required",
        ),
        (
            "@rig.hookimpl\ndef rig_register_providers(context):\n    return []",
            "load_error",
            "rig_register_providers is not for a plugin in a process of its own",
        ),
    ],
)
async def test_one_that_cannot_be_loaded_says_why(make_host: MakeHost, code: str, state: str, error: str) -> None:
    (record,) = make_host(code).records()
    assert record.state == state
    assert error in (record.last_error or "")
