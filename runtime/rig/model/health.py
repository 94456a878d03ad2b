"""Verdicts of deep health: how the states of single dependencies add up (R0-1 to R0-7). Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from rig.clock import Micros

Status = Literal["Ok", "Degraded", "Unreachable"]
STATUSES: tuple[Status, ...] = ("Ok", "Degraded", "Unreachable")
"""Best first."""

MAX_REASON = 200


@dataclass(frozen=True)
class CheckResult:
    """What one health check found."""

    status: Status = "Ok"
    """``Ok``, ``Degraded`` or ``Unreachable``."""
    reason: str | None = None
    """A few words on why it is not Ok, such as ``http 429``; dropped when it is Ok."""


@dataclass(frozen=True)
class NothingToCheck:
    """What a health check answers where its dependency is not in use: it is not shown."""


class Dependency(msgspec.Struct, frozen=True):
    """A dependency as deep health shows it."""

    name: str
    status: Status
    critical: bool
    reason: str | None
    """None if and only if the status is Ok (R0-7)."""
    latency_ms: int
    """Round trip of this check, whole milliseconds, never negative (R0-10)."""
    last_check_at: Micros


class HealthReport(msgspec.Struct, frozen=True):
    """Everything that ``GET /healthz/deep`` says."""

    overall: Status
    dependencies: tuple[Dependency, ...]
    checked_at: Micros


def dependency(name: str, critical: bool, result: CheckResult, *, latency_ms: int, at: Micros) -> Dependency:
    """A dependency row from a check's result, with the reason made to fit R0-7: null when Ok, a short line otherwise."""
    reason = None if result.status == "Ok" else " ".join((result.reason or "no reason given").split())[:MAX_REASON]
    return Dependency(name, result.status, critical, reason, max(0, latency_ms), at)


def worse(one: Dependency, other: Dependency) -> Dependency:
    """The worse of what two have found of the same dependency, the first where they agree."""
    return other if STATUSES.index(other.status) > STATUSES.index(one.status) else one


def verdict(dependencies: Iterable[Dependency]) -> Status:
    """The overall status: a critical dependency that is Unreachable decides, anything else that is not Ok degrades (R0-2 to R0-6)."""
    overall: Status = "Ok"
    for one in dependencies:
        if one.critical and one.status == "Unreachable":
            return "Unreachable"
        if one.status != "Ok":
            overall = "Degraded"
    return overall


def report(dependencies: Sequence[Dependency], at: Micros) -> HealthReport:
    """The report over ``dependencies``, in the order given."""
    return HealthReport(verdict(dependencies), tuple(dependencies), at)


def http_status(status: Status) -> int:
    """503 when Unreachable, else 200 (R0-1)."""
    return 503 if status == "Unreachable" else 200
