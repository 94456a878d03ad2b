"""Runs health checks: in parallel, each with a hard deadline, never two of the same at a time (R0-8 to R0-11, I29)."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rig.clock import Clock
from rig.errors import PluginError
from rig.model import health
from rig.model.health import CheckResult, Dependency, HealthReport, NothingToCheck
from rig.plugin.contexts import HealthChecker, HealthContext
from rig.plugin.guard import Guard
from rig.plugin.raised import describe, headline

DEADLINE = 2.0
"""Seconds that a check may take (R0-9)."""

TIMEOUT = CheckResult("Degraded", "timeout")


@dataclass
class _Running:
    task: "asyncio.Task[CheckResult | NothingToCheck]"
    began: float


class Watched:
    """A checker with its guard and the check that is under way, if one is."""

    def __init__(self, checker: HealthChecker, guard: Guard, deadline: float = DEADLINE) -> None:
        self.name = str(checker.name)
        self.critical = bool(checker.critical)
        self._checker = checker
        self._guard = guard
        self._deadline = deadline
        self._running: _Running | None = None

    async def look(self, context: HealthContext, clock: Clock) -> Dependency | None:
        """Join the check that is under way or begin one; never raises, never takes longer than the deadline.

        None where the checker has nothing to look after.
        """
        if self._guard.quarantined:
            unasked = CheckResult("Degraded", f"plugin {self._guard.plugin} is quarantined")
            return health.dependency(self.name, self.critical, unasked, latency_ms=0, at=clock.now())
        running = self._running
        if running is None or running.task.done():
            task = self._guard.start(f"{self.name}.check", self._checker.check, context, strike=False)
            running = self._running = _Running(task, time.monotonic())
        left = self._deadline - (time.monotonic() - running.began)
        done, _ = await asyncio.wait({running.task}, timeout=max(0.0, left))  # a caller that goes away leaves the check alone
        result: CheckResult | NothingToCheck
        if done:
            result = _result(running.task)
        else:
            result = TIMEOUT
            if not running.task.cancelling():
                self._guard.fault(f"{self.name}.check", f"timeout after {self._deadline:g} s", strike=False)
                running.task.cancel()
        if isinstance(result, NothingToCheck):
            return None
        latency = int((time.monotonic() - running.began) * 1000)
        return health.dependency(self.name, self.critical, result, latency_ms=latency, at=clock.now())


def _result(task: "asyncio.Task[CheckResult | NothingToCheck]") -> CheckResult | NothingToCheck:
    if task.cancelled():
        return TIMEOUT
    error = task.exception()
    if isinstance(error, PluginError) and error.__cause__ is not None:
        error = error.__cause__  # what the checker itself raised
    if error is not None:
        return CheckResult("Unreachable", f"check failed: {headline(describe(error))}")
    answer: object = task.result()
    if isinstance(answer, NothingToCheck):
        return answer
    if not isinstance(answer, CheckResult) or answer.status not in health.STATUSES:
        return CheckResult("Unreachable", f"check failed: it answered with {type(answer).__name__}")
    return answer


class HealthBoard:
    """The deep health of the daemon: every checker that plugins registered, and what is known without a check."""

    def __init__(
        self,
        watched: Callable[[], Sequence[Watched]],
        clock: Clock,
        *,
        known: Callable[[], Sequence[tuple[str, CheckResult]]] = tuple,
    ) -> None:
        """``known``: (name, result) of what is not critical and needs no check; beside a check of the same name the worse is shown."""
        self._watched = watched
        self._clock = clock
        self._known = known

    async def report(self, context: HealthContext) -> HealthReport:
        """Check everything at once and sum it up; answers within the deadline whatever hangs (I29)."""
        looks = await asyncio.gather(*(w.look(context, self._clock) for w in self._watched()))
        found = {row.name: row for row in looks if row is not None}
        now = self._clock.now()
        for name, result in self._known():
            row = health.dependency(name, False, result, latency_ms=0, at=now)
            found[name] = health.worse(found.get(name, row), row)
        return health.report(tuple(found.values()), now)
