"""The suites of health checkers (``rig_register_health_checkers``)."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import SkipTest

from rig.model.health import STATUSES, CheckResult, NothingToCheck
from rig.plugin.contexts import HealthChecker, HealthContext
from rig.plugin.health import DEADLINE
from rig.testing.calls import Outcome, attempt, ends_when_cancelled, free_loop
from rig.testing.receiver import Reaction, Receiver, Trouble
from rig.testing.suite import NOWHERE, ThingSuite, check, must

AT_ONCE = 20


async def well() -> str | None:
    """A ping that is answered."""
    return None


def health_context(
    data_dir: Path | None = None,
    *,
    store_ping: Callable[[], Awaitable[str | None]] = well,
    streams_ping: Callable[[], Awaitable[str | None]] = well,
    loop_lag: Callable[[], float] = lambda: 0.0,
) -> HealthContext:
    """What a check is handed in a daemon that is well, but for what is said otherwise."""
    return HealthContext(store_ping, streams_ping, loop_lag, data_dir or Path(tempfile.gettempdir()))


class _Checkers(ThingSuite):
    hook = "rig_register_health_checkers"

    async def warm(self) -> None:
        for checker in self.found():
            await attempt(checker.check, health_context(), seconds=DEADLINE)

    @contextmanager
    def _well(self) -> Iterator[list[HealthChecker]]:
        """The checkers, and whom they talk to is well."""
        with Receiver() as peer:
            config = self.config_for(peer.url)
            yield self.things(config)

    def _is_here(self, checker: HealthChecker, outcome: Outcome) -> None:
        """Skip where what a checker watches is elsewhere, and it can't be told to watch a stand-in."""
        if isinstance(outcome.error, OSError) and self.config_for(NOWHERE) is None:
            raise SkipTest(f"{checker.name}: what it watches is not here ({outcome.error}): override config_for")


class HealthCheckerContract(_Checkers):
    """What deep health expects of a checker."""

    @check
    async def test_it_registers_a_checker_and_the_same_ones_each_time(self) -> None:
        names = [checker.name for checker in self.found()]
        must(names, "it registers no health checker with this configuration")
        must(len(set(names)) == len(names), f"two of its checkers have one name: {names}")
        must([c.name for c in self.found()] == names, "it registers others when it is asked again")

    @check
    async def test_a_check_answers_in_time_with_a_result(self) -> None:
        with self._well() as checkers:
            for checker in checkers:
                outcome = await attempt(checker.check, health_context(), seconds=DEADLINE)
                must(not outcome.late, f"{checker.name}: no answer within {DEADLINE:g} s")
                self._is_here(checker, outcome)
                must(outcome.error is None, f"{checker.name}: raised {outcome.error!r} in a daemon that is well")
                must_be_a_result(checker, outcome.answer)


class HealthCheckerFaults(_Checkers):
    """What a checker meets on bad days. It may say Degraded, Unreachable, or raise an exception, which counts as Unreachable."""

    @check
    async def test_a_dependency_that_raises_is_an_answer_or_an_exception(self) -> None:
        async def gone() -> str | None:
            raise ConnectionRefusedError("gone")

        await self._survives(health_context(store_ping=gone, streams_ping=gone))

    @check
    async def test_a_data_directory_that_is_gone_is_an_answer_or_an_exception(self) -> None:
        await self._survives(health_context(Path("/nonexistent/rig")))

    @check
    async def test_a_check_that_is_cut_off_ends_at_once(self) -> None:
        async def hangs() -> str | None:
            await asyncio.Event().wait()
            return None

        for checker in self.things():
            context = health_context(store_ping=hangs, streams_ping=hangs)
            await ends_when_cancelled(checker.name, checker.check, context)

    @check
    async def test_many_checks_at_once_all_answer(self) -> None:
        with self._well() as checkers:
            for checker in checkers:
                calls = [attempt(checker.check, health_context(), seconds=2 * DEADLINE) for _ in range(AT_ONCE)]
                for outcome in await asyncio.gather(*calls):
                    must(not outcome.late, f"{checker.name}: {AT_ONCE} at once, and one never answered")
                    self._is_here(checker, outcome)
                    must(outcome.error is None, f"{checker.name}: {AT_ONCE} at once, and one raised {outcome.error!r}")
                    must_be_a_result(checker, outcome.answer)

    @check
    async def test_a_peer_that_fails_is_not_ok(self) -> None:
        bad = (Reaction(500), Reaction(trouble="drop"), Reaction(trouble="garbage"))
        with Receiver() as peer:
            for checker in self.talking_to(peer.url):
                for reaction in bad:
                    peer.reaction = reaction
                    outcome = await attempt(checker.check, health_context(), seconds=DEADLINE)
                    what = reaction.trouble or f"http {reaction.status}"
                    must(not outcome.late, f"{checker.name}: no answer within {DEADLINE:g} s from a peer that says {what}")
                    must(
                        outcome.error is not None or not peer.received or outcome.answer.status != "Ok",
                        f"{checker.name}: Ok, and its peer says {what}",
                    )

    @check
    async def test_a_peer_that_hangs_holds_nothing_up(self) -> None:
        hang: Trouble = "hang"
        with Receiver(Reaction(trouble=hang)) as peer:
            for checker in self.talking_to(peer.url):
                async with free_loop(checker.name):
                    await ends_when_cancelled(checker.name, checker.check, health_context(), after=0.5)

    async def _survives(self, context: HealthContext) -> None:
        for checker in self.things():
            outcome = await attempt(checker.check, context, seconds=DEADLINE)
            must(not outcome.late, f"{checker.name}: no answer within {DEADLINE:g} s")
            if outcome.error is None:
                must_be_a_result(checker, outcome.answer)


def must_be_a_result(checker: HealthChecker, answer: Any) -> None:
    """Fail unless a check's answer is one that deep health can show."""
    if isinstance(answer, NothingToCheck):
        return
    must(isinstance(answer, CheckResult), f"{checker.name}: answered with {type(answer).__name__}, not a CheckResult")
    must(answer.status in STATUSES, f"{checker.name}: {answer.status!r} is not of {', '.join(STATUSES)}")
    must(answer.status == "Ok" or answer.reason, f"{checker.name}: {answer.status} without a reason")
