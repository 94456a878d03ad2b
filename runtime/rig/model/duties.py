"""What Rig looks after by itself: whose silence lasted too long, what nobody claims, which dependency stays broken. Pure.

Time in which Rig was down counts for nobody: no agent could be heard in it, and no issue be claimed. A round therefore knows
the instant ``since`` from which it may count.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from rig.clock import Micros
from rig.model.health import HealthReport
from rig.model.rows import AgentRow, IssueRow
from rig.model.states import WORKING

SECOND: Micros = 1_000_000
SETTLE: Micros = 600 * SECOND
"""Longest uptime for which the first round after a start waits; a shorter interval of rounds is waited for instead."""
KEPT: Micros = 4 * 3600 * SECOND
MOST_LOOKS = 200
"""Looks at the dependencies are kept for four hours, and never more than this many (R0-65)."""


class Rounds(msgspec.Struct, frozen=True):
    """Where a duty stands: the payload of its timer."""

    since: Micros
    """Nothing is counted from before this."""
    last: Micros
    """When the last round ended, or Rig started since."""
    after: tuple[str, str] | None = None
    """Tenant and key behind which the round goes on; None: the next round begins at the start."""


def resume(rounds: Rounds | None, seen: Micros, now: Micros, interval: Micros) -> Rounds:
    """The rounds of a daemon that starts; ``seen`` is the newest instant that the log knew.

    After more than two intervals without a sign of Rig everyone begins anew: it was down, or the clock was set while it was.
    """
    if rounds is None or now - max(rounds.last, seen) > 2 * interval:
        return Rounds(since=now, last=now)
    return Rounds(since=rounds.since, last=now)


def first_due(due: Micros | None, now: Micros, interval: Micros) -> Micros:
    """When the first round after a start is due: nobody is judged before he could be heard."""
    return max(due or 0, now + min(interval, SETTLE))


class Patience(msgspec.Struct, frozen=True):
    """How long an agent without a lease may be silent (R0-58, R0-63)."""

    stuck: Micros
    """While it holds an issue."""
    stuck_by_agent: Mapping[str, Micros]
    reassign: Micros
    """While it has not begun what was assigned to it."""


def silence(issue: IssueRow, agent: AgentRow | None, since: Micros, now: Micros) -> Micros:
    """How long the holder of an issue was not heard: neither a heartbeat nor an event of the issue."""
    heard = agent.last_heartbeat if agent is not None else None
    return now - max(heard or 0, issue.updated_at, since)


def judge_holder(
    issue: IssueRow, agent: AgentRow | None, patience: Patience, since: Micros, now: Micros
) -> Literal["stuck", "reassign"] | None:
    """What becomes of an issue that an agent holds; where a lease exists, the lease decides (conventions §12)."""
    if issue.state not in WORKING or issue.agent is None or issue.lease is not None:
        return None
    silent = silence(issue, agent, since, now)
    if silent > patience.stuck_by_agent.get(issue.agent, patience.stuck):
        return "stuck"
    return "reassign" if issue.state == "assigned" and silent > patience.reassign else None


def judge_waiting(
    issue: IssueRow, waits_since: Micros, orphan: Micros, needs_human: Micros, now: Micros
) -> Literal["orphaned", "needs_human"] | None:
    """What is said of an issue that could be claimed since ``waits_since`` (R0-64)."""
    waited = now - waits_since
    if issue.orphan_status is None:
        return "orphaned" if waited > orphan else None
    return "needs_human" if issue.orphan_status == "orphan" and waited > needs_human else None


def waits_since(issue: IssueRow, blockers: Sequence[IssueRow], since: Micros) -> Micros:
    """From when on an issue could be claimed: queued, past its wait, and every blocker done."""
    return max(issue.queued_at or 0, issue.not_before, since, *(row.updated_at for row in blockers))


class Look(msgspec.Struct, frozen=True):
    """What one look at deep health found."""

    at: Micros
    bad: dict[str, str]
    """Dependencies that were not Ok, with the reason."""


class Watch(msgspec.Struct, frozen=True):
    """The looks of the last hours, and which dependencies the alarm was raised for: the payload of the watcher's timer."""

    looks: tuple[Look, ...] = ()
    alarmed: dict[str, Micros] = {}
    """Dependency to the instant of the first bad look."""


class Alarm(msgspec.Struct, frozen=True):
    """A dependency that stays broken, or one that is well again."""

    name: str
    since: Micros
    reason: str | None
    """None: it has recovered."""
    looks: int = 0


def watch(
    before: Watch, report: HealthReport, now: Micros, *, looks: int, span: Micros, interval: Micros
) -> tuple[Watch, tuple[Alarm, ...]]:
    """Take in a look: alarms for what was bad in ``looks`` looks in a row over at least ``span``, and for what recovered (R0-65).

    A pause of more than two intervals between two looks breaks the row.
    """
    bad = {d.name: d.reason or d.status for d in report.dependencies if d.status != "Ok"}
    kept = [look for look in before.looks if look.at >= now - KEPT][-(MOST_LOOKS - 1) :]
    history = (*kept, Look(now, bad))
    alarmed = {name: at for name, at in before.alarmed.items() if name in bad}
    alarms = [Alarm(name, at, None) for name, at in sorted(before.alarmed.items()) if name not in bad]
    for name, reason in sorted(bad.items()):
        row = _row(history, name, interval)
        if name not in alarmed and len(row) >= looks and now - row[0] >= span:
            alarmed[name] = row[0]
            alarms.append(Alarm(name, row[0], reason, len(row)))
    return Watch(history, alarmed), tuple(alarms)


def _row(history: Sequence[Look], name: str, interval: Micros) -> list[Micros]:
    """The instants of the newest looks in a row that found a dependency bad, oldest first."""
    found: list[Micros] = []
    for look in reversed(history):
        if name not in look.bad or (found and found[-1] - look.at > 2 * interval):
            break
        found.append(look.at)
    return found[::-1]
