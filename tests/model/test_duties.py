"""Rig's own duties as tables: who is silent, what nobody claims, which dependency stays broken (R0-58, R0-63 … R0-65)."""

from typing import Any

import pytest

from rig.clock import Micros
from rig.errors import Conflict
from rig.ids import SeededIds
from rig.model import duties
from rig.model.call import Call
from rig.model.decide import issue
from rig.model.decide.base import Context
from rig.model.decide.duty import Flag, TakeBack
from rig.model.duties import Alarm, Look, Patience, Rounds, Watch
from rig.model.health import CheckResult, HealthReport, dependency, report
from rig.model.rows import AgentRow, IssueRow

MINUTE: Micros = 60_000_000
HOUR: Micros = 60 * MINUTE
NOW: Micros = 1_750_000_000_000_000
PATIENCE = Patience(stuck=30 * MINUTE, stuck_by_agent={"slow": 90 * MINUTE}, reassign=10 * MINUTE)


def held(state: str = "in_progress", agent: str = "dev", silent: Micros = 10 * HOUR, lease: str | None = None) -> IssueRow:
    return IssueRow(stream="acme/app#1", state=state, agent=agent, lease=lease, updated_at=NOW - silent)  # type: ignore[arg-type]


def agent(silent: Micros | None, id_: str = "dev") -> AgentRow:
    return AgentRow(id=id_, status="working", last_heartbeat=None if silent is None else NOW - silent)


@pytest.mark.rule("R0-58", "R0-63")
@pytest.mark.parametrize(
    ("row", "holder", "since", "verdict"),
    [
        (held(), agent(31 * MINUTE), 0, "stuck"),
        (held(), agent(30 * MINUTE), 0, None),
        (held("blocked"), agent(31 * MINUTE), 0, "stuck"),
        (held("assigned"), agent(31 * MINUTE), 0, "stuck"),
        (held("assigned"), agent(11 * MINUTE), 0, "reassign"),
        (held("assigned"), agent(10 * MINUTE), 0, None),
        (held("in_progress"), agent(11 * MINUTE), 0, None),
        (held(agent="slow"), agent(89 * MINUTE, "slow"), 0, None),
        (held(agent="slow"), agent(91 * MINUTE, "slow"), 0, "stuck"),
        (held(), agent(None), 0, "stuck"),
        (held(silent=5 * MINUTE), agent(None), 0, None),
        (held(silent=5 * MINUTE), agent(10 * HOUR), 0, None),
        (held(lease="l-1"), agent(10 * HOUR), 0, None),
        (held("assigned", lease="l-1"), agent(10 * HOUR), 0, None),
        (held("in_review"), agent(10 * HOUR), 0, None),
        (held("queued"), agent(10 * HOUR), 0, None),
        (held(), agent(10 * HOUR), NOW - 29 * MINUTE, None),
        (held(), agent(10 * HOUR), NOW - 31 * MINUTE, "stuck"),
    ],
)
def test_a_holder_that_is_silent_for_too_long_loses_its_issue(
    row: IssueRow, holder: AgentRow, since: Micros, verdict: str | None
) -> None:
    assert duties.judge_holder(row, holder, PATIENCE, since, NOW) == verdict


@pytest.mark.rule("R0-64")
@pytest.mark.parametrize(
    ("status", "waited", "verdict"),
    [
        (None, 24 * HOUR, None),
        (None, 24 * HOUR + 1, "orphaned"),
        (None, 99 * HOUR, "orphaned"),
        ("orphan", 48 * HOUR, None),
        ("orphan", 48 * HOUR + 1, "needs_human"),
        ("needs_human", 99 * HOUR, None),
    ],
)
def test_an_issue_that_nobody_claims_is_an_orphan_and_then_needs_a_human(
    status: str | None, waited: Micros, verdict: str | None
) -> None:
    row = IssueRow(stream="acme/app#1", orphan_status=status)
    assert duties.judge_waiting(row, NOW - waited, 24 * HOUR, 48 * HOUR, NOW) == verdict


@pytest.mark.parametrize(
    ("queued", "not_before", "done", "since", "expected"),
    [(5, 0, [], 0, 5), (5, 9, [], 0, 9), (5, 0, [7, 3], 0, 7), (5, 0, [7], 8, 8), (None, 0, [], 0, 0)],
)
def test_an_issue_waits_since_it_could_be_claimed(
    queued: int | None, not_before: int, done: list[int], since: int, expected: int
) -> None:
    row = IssueRow(stream="a#1", queued_at=queued, not_before=not_before)
    assert duties.waits_since(row, [IssueRow(stream="b#1", updated_at=at) for at in done], since) == expected


@pytest.mark.parametrize(
    ("before", "seen", "since"),
    [
        (None, 0, NOW),
        (None, NOW - MINUTE, NOW),
        (Rounds(since=7, last=NOW - 10 * MINUTE), 0, 7),
        (Rounds(since=7, last=NOW - 10 * HOUR), NOW - MINUTE, 7),
        (Rounds(since=7, last=NOW - 21 * MINUTE), NOW - 21 * MINUTE, NOW),
        (Rounds(since=7, last=NOW - 240 * HOUR), NOW - 240 * HOUR, NOW),  # the wall clock was set while Rig was down
    ],
)
def test_time_in_which_rig_was_down_counts_for_nobody(before: Rounds | None, seen: Micros, since: Micros) -> None:
    assert duties.resume(before, seen, NOW, 10 * MINUTE).since == since


@pytest.mark.parametrize(
    ("due", "interval", "expected"),
    [
        (None, 10 * MINUTE, NOW + 10 * MINUTE),
        (NOW - HOUR, 10 * MINUTE, NOW + 10 * MINUTE),
        (NOW + 50 * MINUTE, HOUR, NOW + 50 * MINUTE),
        (NOW - HOUR, HOUR, NOW + 10 * MINUTE),
        (NOW, 1, NOW + 1),
    ],
)
def test_the_first_round_after_a_start_waits(due: Micros | None, interval: Micros, expected: Micros) -> None:
    assert duties.first_due(due, NOW, interval) == expected


def health(*bad: str) -> HealthReport:
    found = [
        dependency(name, True, CheckResult("Unreachable" if name in bad else "Ok", "down"), latency_ms=1, at=0)
        for name in ("github", "store")
    ]
    return report(found, 0)


def watched(*looks: tuple[int, HealthReport]) -> list[tuple[int, Alarm]]:
    """(minute, alarm) over looks at the given minutes."""
    state, found = Watch(), []
    for minute, seen in looks:
        state, alarms = duties.watch(state, seen, NOW + minute * MINUTE, looks=3, span=30 * MINUTE, interval=15 * MINUTE)
        found += [(minute, alarm) for alarm in alarms]
    return found


@pytest.mark.rule("R0-65")
@pytest.mark.parametrize(
    ("minutes", "alarmed"),
    [
        ([0, 15, 30], [30]),
        ([0, 15, 29], []),
        ([0, 15], []),
        ([0, 30], []),
        ([0, 15, 30, 45, 60], [30]),
        ([0, 31, 46], []),  # a pause of more than two intervals: Rig was down
        ([0, 31, 46, 61], [61]),
    ],
)
def test_a_dependency_that_stays_broken_is_told_once(minutes: list[int], alarmed: list[int]) -> None:
    assert [minute for minute, _ in watched(*((m, health("github")) for m in minutes))] == alarmed


@pytest.mark.rule("R0-65")
def test_a_good_look_breaks_the_row_and_ends_an_alarm() -> None:
    bad, good = health("github"), health()
    assert watched((0, bad), (15, bad), (30, good), (45, bad), (60, bad)) == []
    told = watched((0, bad), (15, bad), (30, bad), (45, good), (60, good))
    assert told == [(30, Alarm("github", NOW, "down", 3)), (45, Alarm("github", NOW, None))]
    other = watched((0, bad), (15, health("store")), (30, bad))
    assert other == []


@pytest.mark.rule("R0-65")
def test_looks_are_kept_for_four_hours_and_never_more_than_two_hundred() -> None:
    state = Watch()
    for minute in range(400):
        state, _ = duties.watch(state, health(), NOW + minute * MINUTE, looks=3, span=MINUTE, interval=MINUTE)
    assert len(state.looks) == 200
    state, _ = duties.watch(state, health(), NOW + 400 * MINUTE + 3 * HOUR, looks=3, span=MINUTE, interval=MINUTE)
    assert state.looks[0].at >= NOW + 400 * MINUTE - HOUR
    assert state.looks[-1] == Look(NOW + 400 * MINUTE + 3 * HOUR, {})


def decide(row: IssueRow, command: Any) -> tuple[str, dict[str, int]]:
    decision = issue.decide(row, command, Context(row.stream, NOW, SeededIds(1), Call()))
    return decision.events[0].type, decision.extra_expect


@pytest.mark.parametrize(("why", "event"), [("stuck", "agent_stuck"), ("reassign", "issue_unassigned")])
def test_an_issue_is_taken_back_only_as_it_was_seen(why: Any, event: str) -> None:
    command = TakeBack(agent="dev", heard=4, why=why, reason="silent")
    assert decide(held(), command) == (event, {"dev": 4})
    for changed in (held(agent="other"), held(lease="l-1"), held("queued"), held("done")):
        with pytest.raises(Conflict):
            decide(changed, command)


@pytest.mark.parametrize(("mark", "event"), [("orphaned", "issue_orphaned"), ("needs_human", "issue_needs_human")])
def test_an_issue_is_marked_only_while_it_waits_as_it_did(mark: Any, event: str) -> None:
    command = Flag(queued=4, mark=mark, reason="nobody")
    assert decide(IssueRow(stream="acme/app#1", queued_sequence=4), command)[0] == event
    for changed in (IssueRow(stream="acme/app#1", queued_sequence=5), held()):
        with pytest.raises(Conflict):
            decide(changed, command)
