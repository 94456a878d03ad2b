"""The verdict table of deep health."""

from itertools import product

import pytest

from rig.model.health import STATUSES, CheckResult, Dependency, Status, dependency, http_status, report, verdict


def _one(status: Status, *, critical: bool) -> Dependency:
    return dependency("x", critical, CheckResult(status, "why"), latency_ms=1, at=0)


@pytest.mark.parametrize(
    ("statuses", "overall", "code"),
    [
        pytest.param([], "Ok", 200, marks=pytest.mark.rule("R0-6")),
        pytest.param([("Ok", True), ("Ok", False)], "Ok", 200, marks=pytest.mark.rule("R0-5")),
        pytest.param([("Degraded", True)], "Degraded", 200, marks=pytest.mark.rule("R0-4")),
        pytest.param([("Unreachable", True)], "Unreachable", 503, marks=pytest.mark.rule("R0-2")),
        pytest.param([("Unreachable", False)], "Degraded", 200, marks=pytest.mark.rule("R0-3")),
        pytest.param([("Degraded", False), ("Ok", True)], "Degraded", 200, marks=pytest.mark.rule("R0-3")),
        ([("Degraded", False), ("Unreachable", False), ("Unreachable", True)], "Unreachable", 503),
    ],
)
def test_the_overall_status_follows_the_table(statuses: list[tuple[Status, bool]], overall: Status, code: int) -> None:
    found = report([_one(s, critical=c) for s, c in statuses], 5)
    assert (found.overall, http_status(found.overall), found.checked_at) == (overall, code, 5)


@pytest.mark.rule("R0-1", "R0-2")
def test_only_a_critical_unreachable_dependency_gives_503() -> None:
    for rows in product(product(STATUSES, (True, False)), repeat=3):
        dependencies = [_one(status, critical=critical) for status, critical in rows]
        expected = any(d.critical and d.status == "Unreachable" for d in dependencies)
        assert (http_status(verdict(dependencies)) == 503) is expected
        assert (verdict(dependencies) == "Ok") is all(d.status == "Ok" for d in dependencies)


@pytest.mark.rule("R0-7")
@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (CheckResult(), None),
        (CheckResult("Ok", "no need to say"), None),
        (CheckResult("Degraded"), "no reason given"),
        (CheckResult("Unreachable", "http\n 429 "), "http 429"),
        (CheckResult("Degraded", "x" * 999), "x" * 200),
    ],
)
def test_a_reason_is_null_exactly_when_the_status_is_ok(result: CheckResult, reason: str | None) -> None:
    assert dependency("x", True, result, latency_ms=-3, at=0).reason == reason


@pytest.mark.rule("R0-10")
def test_a_latency_is_never_negative() -> None:
    assert dependency("x", True, CheckResult(), latency_ms=-3, at=0).latency_ms == 0
