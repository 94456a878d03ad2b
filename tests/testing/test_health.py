"""The suites of health checkers find what is wrong with one."""

import textwrap

import pytest

from rig.testing import HealthCheckerContract, HealthCheckerFaults, Suite
from tests.testing.conftest import Judge

PLUGIN = """
class Config(rig.PluginConfig):
    url: str = ""

RIG_CONFIG = Config

class Checker:
    name, critical = "odd", False

    def __init__(self, url):
        self.url = url

    async def check(self, context):
{body}
        return rig.CheckResult()

@rig.hookimpl
def rig_register_health_checkers(context):
    return [Checker(context.config.url)]
"""


def plugin(body: str) -> str:
    return PLUGIN.format(body=textwrap.indent(textwrap.dedent(body), " " * 8))


BAD: list[tuple[type[Suite], str, str, str]] = [
    (HealthCheckerContract, "a check answers in time with a result", "return 'fine'", "answered with str, not a CheckResult"),
    (
        HealthCheckerContract,
        "a check answers in time with a result",
        "return rig.CheckResult('Degraded')",
        "Degraded without a reason",
    ),
    (HealthCheckerContract, "a check answers in time with a result", "raise SystemExit", "would end a program"),
    (HealthCheckerContract, "a check answers in time with a result", "raise KeyError('x')", "in a daemon that is well"),
    (
        HealthCheckerContract,
        "a check answers in time with a result",
        "asyncio.create_task(asyncio.sleep(30))",
        "it leaves behind: the task",
    ),
    (
        HealthCheckerFaults,
        "a check that is cut off ends at once",
        """
        try:
            await context.store_ping()
        except asyncio.CancelledError:
            await asyncio.sleep(1.3)
        """,
        "still running 1 s after it was cancelled",
    ),
    (
        HealthCheckerFaults,
        "many checks at once all answer",
        "threading.Thread(target=threading.Event().wait, args=(5,), name='stray', daemon=True).start()",
        "it leaves behind: the thread stray",
    ),
    (
        HealthCheckerFaults,
        "a peer that fails is not ok",
        """
        import aiohttp
        async with aiohttp.ClientSession() as session:
            try:
                async with session.get(self.url):
                    pass
            except aiohttp.ClientError:
                pass
        """,
        "Ok, and its peer says http 500",
    ),
    (
        HealthCheckerFaults,
        "a peer that hangs holds nothing up",
        """
        import urllib.request
        try:
            urllib.request.urlopen(self.url, timeout=1)
        except OSError as error:
            return rig.CheckResult("Unreachable", str(error))
        """,
        "it blocked the event loop for",
    ),
]


@pytest.mark.parametrize(("suite", "check", "body", "reason"), BAD)
def test_a_bad_checker_fails_the_check_that_is_about_it(
    judge: Judge, suite: type[Suite], check: str, body: str, reason: str
) -> None:
    found = judge(suite, check, plugin(body))
    assert (found.verdict, reason in found.reason) == ("failed", True), found
    if "peer" not in check:
        assert judge(suite, check, plugin("pass")).verdict == "ok"


def test_what_registers_nothing_or_nonsense_is_said(judge: Judge) -> None:
    check = "it registers a checker and the same ones each time"
    nothing = "@rig.hookimpl\ndef rig_register_health_checkers(): return []"
    assert "it registers no health checker" in judge(HealthCheckerContract, check, nothing).reason
    nonsense = "@rig.hookimpl\ndef rig_register_health_checkers(): return [1]"
    assert "a HealthChecker with name" in judge(HealthCheckerContract, check, nonsense).reason


def test_a_check_that_does_not_apply_is_skipped(judge: Judge) -> None:
    nowhere = """
        class Checker:
            name, critical = "odd", False
            def check(self, context): return rig.CheckResult()

        @rig.hookimpl
        def rig_register_health_checkers(): return [Checker()]
    """
    found = judge(HealthCheckerFaults, "a peer that fails is not ok", nowhere)
    assert (found.verdict, found.reason) == ("skipped", "it has no address in its configuration: override config_for")
