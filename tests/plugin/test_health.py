"""Running health checks: parallel, with deadlines, one of a kind at a time (R0-8 to R0-11, I29, F16)."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from rig import CheckResult, HealthContext
from rig.clock import ManualClock
from rig.errors import StorageUnavailable
from rig.model.health import HealthReport, NothingToCheck
from rig.plugin.contexts import Fault
from rig.plugin.guard import Guard
from rig.plugin.health import DEADLINE, HealthBoard, Watched
from rig.plugin.looplag import LoopLag


async def _well() -> None:
    return None


CONTEXT = HealthContext(store_ping=_well, streams_ping=_well, loop_lag=lambda: 0.0, data_dir=Path("/"))


class Checker:
    """Does what a function says."""

    def __init__(self, name: str, do: Callable[[], Any], critical: bool = True) -> None:
        self.name = name
        self.critical = critical
        self.running = 0
        self.most = 0
        self.started = 0
        self._do = do

    async def check(self, context: HealthContext) -> CheckResult:
        self.started += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            answer = self._do()
            if isinstance(answer, Awaitable):
                answer = await answer
            return answer  # type: ignore[no-any-return]
        finally:
            self.running -= 1


def _board(*checkers: Any, deadline: float = 1.0, **rest: Any) -> HealthBoard:
    watched = [Watched(c, Guard(c.name), deadline) for c in checkers]
    return HealthBoard(lambda: watched, ManualClock(), **rest)


async def _after(seconds: float, result: Any = None) -> Any:
    await asyncio.sleep(seconds)
    return result or CheckResult()


def _seen(report: HealthReport) -> list[tuple[str, str, str | None]]:
    return [(d.name, d.status, d.reason) for d in report.dependencies]


@pytest.mark.rule("R0-6")
async def test_no_checkers_are_ok() -> None:
    report = await _board().report(CONTEXT)
    assert (report.overall, report.dependencies, report.checked_at) == ("Ok", (), ManualClock().now())


@pytest.mark.rule("R0-8", "R0-10")
async def test_checkers_run_in_parallel() -> None:
    board = _board(*(Checker(str(i), lambda: _after(0.15)) for i in range(4)))
    began = time.monotonic()
    report = await board.report(CONTEXT)
    assert time.monotonic() - began < 0.5
    assert report.overall == "Ok"
    assert all(150 <= d.latency_ms < 500 for d in report.dependencies)


@pytest.mark.rule("R0-9")
async def test_a_hanging_critical_checker_is_degraded_by_timeout_and_not_503() -> None:
    faults: list[Fault] = []
    hang = Checker("hang", asyncio.Event().wait)
    watched = Watched(hang, Guard("p", on_fault=faults.append), 0.1)
    board = HealthBoard(lambda: [watched], ManualClock())
    for _ in range(9):
        report = await board.report(CONTEXT)
        assert _seen(report) == [("hang", "Degraded", "timeout")]
        assert report.overall == "Degraded"
    assert hang.most == 1
    assert faults[0].error == "timeout after 0.1 s"
    assert not faults[-1].quarantined


@pytest.mark.rule("R0-9")
def test_the_deadline_is_two_seconds() -> None:
    assert DEADLINE == 2.0


@pytest.mark.rule("I29")
async def test_twenty_calls_never_run_more_than_one_instance() -> None:
    slow = Checker("slow", lambda: _after(0.1))
    board = _board(slow)
    reports = await asyncio.gather(*(board.report(CONTEXT) for _ in range(20)))
    assert {r.overall for r in reports} == {"Ok"}
    assert (slow.started, slow.most) == (1, 1)


async def test_a_checker_that_does_not_listen_to_cancellation_is_not_started_again() -> None:
    release = asyncio.Event()

    async def deaf() -> CheckResult:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return CheckResult()

    checker = Checker("deaf", deaf)
    board = _board(checker, deadline=0.05)
    for _ in range(3):
        assert _seen(await board.report(CONTEXT)) == [("deaf", "Degraded", "timeout")]
    assert checker.started == 1
    release.set()
    await asyncio.sleep(0.01)
    assert (await board.report(CONTEXT)).overall == "Ok"


async def test_a_checker_that_blocks_its_thread_is_not_started_again_and_not_on_the_loop() -> None:
    release, started = threading.Event(), []

    class Blocking:
        name, critical = "blocking", True

        def check(self, context: HealthContext) -> CheckResult:
            started.append(threading.current_thread())
            release.wait(20)
            return CheckResult()

    board = _board(Blocking(), Checker("well", CheckResult), deadline=0.05)
    for _ in range(3):
        assert _seen(await board.report(CONTEXT)) == [("blocking", "Degraded", "timeout"), ("well", "Ok", None)]
    assert len(started) == 1
    release.set()
    while (await board.report(CONTEXT)).overall != "Ok":
        await asyncio.sleep(0.01)
    assert len(started) == 2


async def test_a_caller_that_goes_away_leaves_the_check_to_the_others() -> None:
    board = _board(Checker("slow", lambda: _after(0.05)))
    impatient = asyncio.create_task(board.report(CONTEXT))
    patient = asyncio.create_task(board.report(CONTEXT))
    await asyncio.sleep(0.01)
    impatient.cancel()
    assert (await patient).overall == "Ok"


def _raise(error: BaseException) -> Callable[[], Any]:
    def do() -> None:
        raise error

    return do


@pytest.mark.parametrize(
    ("do", "status", "reason"),
    [
        pytest.param(
            _raise(ConnectionResetError("10.0.0.1 is gone")),
            "Unreachable",
            "check failed: ConnectionResetError",
            marks=pytest.mark.rule("R0-11"),
        ),
        (_raise(StorageUnavailable()), "Unreachable", "check failed: StorageUnavailable"),
        (_raise(SystemExit(1)), "Unreachable", "check failed: SystemExit"),
        (_raise(asyncio.CancelledError()), "Degraded", "timeout"),
        (lambda: "fine", "Unreachable", "check failed: it answered with str"),
        (lambda: None, "Unreachable", "check failed: it answered with NoneType"),
        (lambda: CheckResult("Splendid"), "Unreachable", "check failed: it answered with CheckResult"),  # type: ignore[arg-type]
        (lambda: CheckResult("Degraded", "http 429"), "Degraded", "http 429"),
        (lambda: CheckResult("Ok", "well"), "Ok", None),
    ],
)
async def test_whatever_a_checker_does_has_a_status_and_a_reason(
    do: Callable[[], Any], status: str, reason: str | None
) -> None:
    report = await _board(Checker("x", do)).report(CONTEXT)
    assert _seen(report) == [("x", status, reason)]


async def test_a_checker_that_raises_is_asked_again_every_time() -> None:
    checker = Checker("x", _raise(OSError()))
    board = _board(checker)
    for _ in range(9):
        assert (await board.report(CONTEXT)).overall == "Unreachable"
    assert checker.started == 9


async def test_a_quarantined_plugin_and_a_broken_one_degrade_health() -> None:
    guard = Guard("p", strikes=1)
    guard.fault("x", "broke")
    checker = Checker("github", CheckResult)
    watched = Watched(checker, guard)
    board = HealthBoard(
        lambda: [watched], ManualClock(), known=lambda: [("plugin:p", CheckResult("Degraded", "quarantined: x"))]
    )
    report = await board.report(CONTEXT)
    assert _seen(report) == [("github", "Degraded", "plugin p is quarantined"), ("plugin:p", "Degraded", "quarantined: x")]
    assert (report.overall, checker.started) == ("Degraded", 0)


async def test_a_checker_with_nothing_to_check_is_not_shown() -> None:
    report = await _board(Checker("a", NothingToCheck), Checker("b", CheckResult)).report(CONTEXT)
    assert _seen(report) == [("b", "Ok", None)]


@pytest.mark.parametrize(
    ("checked", "known", "shown"),
    [
        (CheckResult(), CheckResult("Degraded", "http 503"), ("Degraded", "http 503")),
        (CheckResult("Unreachable", "http 404"), CheckResult(), ("Unreachable", "http 404")),
        (CheckResult("Degraded", "timeout"), CheckResult("Degraded", "http 503"), ("Degraded", "timeout")),
    ],
)
async def test_of_a_check_and_what_is_known_of_the_same_dependency_the_worse_is_shown(
    checked: CheckResult, known: CheckResult, shown: tuple[str, str]
) -> None:
    board = _board(Checker("discord", lambda: checked, critical=False), known=lambda: [("discord", known)])
    assert _seen(await board.report(CONTEXT)) == [("discord", *shown)]


async def test_the_lag_of_the_loop_is_measured() -> None:
    lag = LoopLag(interval=0.01, window=1)
    lag.start()
    await asyncio.sleep(0.03)
    time.sleep(0.08)  # noqa: ASYNC251 - the lateness to be measured
    await asyncio.sleep(0.03)
    lag.stop()
    assert 0.06 < lag.worst() < 1
