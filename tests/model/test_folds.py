"""What events do to the rows around an issue: agents, leases, executions, jobs, ledger (R0-33 … R0-37)."""

from typing import Any

import msgspec
import pytest

from rig.clock import ManualClock
from rig.errors import BadRequest, Conflict, IllegalTransition, NotFound, RigError, StaleLease
from rig.ids import SeededIds
from rig.model import facts
from rig.model.call import Call
from rig.model.decide import agent, issue, job
from rig.model.decide.base import Context, TimerChange
from rig.model.events import NewEvent, encode
from rig.model.rows import AgentRow, IssueRow, JobRow, Tokens
from rig.model.tables import AGENTS, EXECUTIONS, ISSUES, JOBS, LEASES, LINKS, QUEUE, USAGE, Table
from rig.store.engine import Engine
from rig.store.memory import MemoryBackend
from rig.store.units import Claim, Committed, Unit

STREAM = "acme/app#1"


class World:
    """An engine over a memory backend, without threads."""

    def __init__(self) -> None:
        self.backend = MemoryBackend()
        self.clock = ManualClock()
        self.engine = Engine(self.backend, self.clock, SeededIds(3))

    def post(self, type_: str, number: int = 1, meta: dict[str, Any] | None = None, **fields: Any) -> Committed:
        fact = facts.parse({"type": type_, "repo": "acme/app", "issueNumber": number, **fields})
        return self.add(NewEvent(fact.stream, fact.type.name, encode(fact.body), encode(meta or {})))

    def add(self, *events: NewEvent) -> Committed:
        result = self.engine.run([Unit(tenant="default", events=events)])[0][0]
        assert isinstance(result, Committed), result
        return result

    def claim(self, agent: str = "a-1") -> Committed | None:
        result = self.engine.run([Claim("default", agent, f"l-{agent}", "ir-00000001", 60)])[0][0]
        assert not isinstance(result, Exception)
        return result

    def command(self, command: Any) -> Committed:
        row = self.row(ISSUES, STREAM)
        return self.add(*issue.decide(row, command, self.context()).events)

    def context(self, stream: str = STREAM) -> Context:
        return Context(stream, self.clock.now(), SeededIds(5), Call())

    def row(self, table: Table[Any], key: str) -> Any:
        return self.backend.row(table, "default", key)


@pytest.fixture
def world() -> World:
    return World()


def test_a_claim_opens_lease_and_job_and_the_start_opens_the_execution(world: World) -> None:
    world.post("ISSUE_APPROVED")
    world.claim()
    world.post("WORK_STARTED", agentId="a-1", executionId="e-1", branch="rig/x")
    lease, execution, work = world.row(LEASES, "l-a-1"), world.row(EXECUTIONS, "e-1"), world.row(JOBS, "ir-00000001")
    assert (lease.state, lease.fence, lease.issue) == ("live", 1, STREAM)
    assert (execution.status, execution.job, execution.lease, execution.branch) == ("running", "ir-00000001", "l-a-1", "rig/x")
    assert (work.state, work.attempts, work.execution, work.agent) == ("in_progress", 1, "e-1", "a-1")


@pytest.mark.parametrize(
    ("end", "lease", "execution"),
    [
        ("ISSUE_DONE", "released", "completed"),
        ("ISSUE_CANCELLED", "released", "failed"),
        ("AGENT_STUCK", "released", "stuck"),
        ("ISSUE_UNASSIGNED", "released", "failed"),
        ("PR_CREATED", "released", "completed"),
    ],
)
def test_the_end_of_work_closes_lease_and_execution(world: World, end: str, lease: str, execution: str) -> None:
    world.post("ISSUE_APPROVED")
    world.claim()
    world.post("WORK_STARTED", agentId="a-1", executionId="e-1")
    world.post(end, agentId="a-1")
    assert (world.row(LEASES, "l-a-1").state, world.row(EXECUTIONS, "e-1").status) == (lease, execution)


def test_an_agent_works_from_its_assignment_on_and_rests_when_the_issue_is_done(world: World) -> None:
    """R0-33, R0-35, R0-37"""
    world.post("ISSUE_APPROVED")
    world.claim()
    busy = world.row(AGENTS, "a-1")
    assert (busy.status, busy.issue, busy.number, busy.repo, busy.last_heartbeat) == ("working", STREAM, 1, "acme/app", None)
    world.post("ISSUE_DONE", agentId="a-1")
    idle = world.row(AGENTS, "a-1")
    assert (idle.status, idle.issue, idle.completed, idle.failed) == ("idle", None, 1, 0)


def test_a_stuck_agent_is_stuck_and_its_issue_waits_again(world: World) -> None:
    world.post("ISSUE_APPROVED")
    world.claim()
    world.post("AGENT_STUCK", agentId="a-1", reason="no progress")
    assert (world.row(AGENTS, "a-1").status, world.row(AGENTS, "a-1").failed) == ("stuck", 1)
    assert world.row(QUEUE, STREAM) is not None


def test_a_heartbeat_tells_and_an_idle_one_clears(world: World) -> None:
    world.post("HEARTBEAT", agentId="a", status="working", currentIssue=7, currentRepo="acme/app", activeProvider="claude")
    row = world.row(AGENTS, "a")
    assert (row.status, row.issue, row.active_provider, row.last_heartbeat) == (
        "working",
        "acme/app#7",
        "claude",
        world.clock.now(),
    )
    world.post("HEARTBEAT", agentId="a", status="idle")
    assert (world.row(AGENTS, "a").status, world.row(AGENTS, "a").issue) == ("idle", None)


def test_usage_is_counted_once_in_ledger_issue_and_execution(world: World) -> None:
    """R0-36, I35"""
    world.post("ISSUE_APPROVED")
    world.claim()
    world.post("WORK_STARTED", agentId="a-1", executionId="e-1")
    cost = {"cost": {"counted": 500, "computed": 500, "reported": None, "rule": "recomputed"}}
    done = world.post("TOKEN_USAGE", meta=cost, agentId="a-1", model="m-1", inputTokens=3, outputTokens=4, cacheReadTokens=5)
    line = world.row(USAGE, f"{done.events[0].sequence:016d}")
    assert (line.counted, line.rule, line.execution, line.tokens) == (500, "recomputed", "e-1", Tokens(3, 4, 5, 0))
    assert (world.row(ISSUES, STREAM).cost, world.row(EXECUTIONS, "e-1").cost) == (500, 500)
    assert world.row(AGENTS, "a-1").last_model == "m-1"


def test_an_epic_cannot_be_done_while_a_sub_issue_is_open(world: World) -> None:
    world.post("ISSUE_APPROVED")
    world.post("ISSUE_APPROVED", 2, parent=1)
    world.post("ISSUE_DONE")
    assert world.row(ISSUES, STREAM).state == "queued"
    world.post("ISSUE_DONE", 2)
    world.post("ISSUE_DONE")
    assert world.row(ISSUES, STREAM).state == "done"
    assert not world.row(LINKS, f"sub\n{STREAM}\nacme/app#2").open


def test_force_done_bypasses_the_guard(world: World) -> None:
    """R0-62"""
    world.post("ISSUE_APPROVED")
    world.post("ISSUE_APPROVED", 2, parent=1)
    world.command(issue.ForceDone(reason="abandoned"))
    assert world.row(ISSUES, STREAM).state == "done"


def test_a_reopened_blocker_blocks_again(world: World) -> None:
    world.post("ISSUE_APPROVED", 2)
    world.post("ISSUE_APPROVED", dependsOn=[2])
    world.post("ISSUE_DONE", 2)
    assert world.row(QUEUE, STREAM).ready
    world.post("ISSUE_APPROVED", 2)
    assert world.row(QUEUE, STREAM).open_deps == 1


def test_a_cycle_of_dependencies_waits_and_harms_nobody_else(world: World) -> None:
    """R0-30"""
    world.post("ISSUE_APPROVED", 1, dependsOn=[2])
    world.post("ISSUE_APPROVED", 2, dependsOn=[1])
    world.post("ISSUE_APPROVED", 3)
    claimed = world.claim()
    assert claimed is not None
    assert claimed.events[-1].stream == "acme/app#3"
    assert world.claim("a-2") is None


def test_completed_work_goes_where_the_configuration_says(world: World) -> None:
    for number, (state, expected) in enumerate([("in_review", "in_review"), ("done", "done")], 1):
        fresh = World()
        fresh.post("ISSUE_APPROVED")
        fresh.claim()
        fresh.post("WORK_STARTED", agentId="a-1", executionId="e-1")
        fresh.command(issue.Complete(agent="a-1", lease="l-a-1", fence=1, state=state, commit="c", turns=number))  # type: ignore[arg-type]
        assert fresh.row(ISSUES, STREAM).state == expected
        assert (fresh.row(LEASES, "l-a-1").state, fresh.row(EXECUTIONS, "e-1").commit) == ("completed", "c")
        assert fresh.row(JOBS, "ir-00000001").state == "done"


def test_failed_work_waits_for_its_time_or_fails_for_good(world: World) -> None:
    world.post("ISSUE_APPROVED")
    world.claim()
    world.post("WORK_STARTED", agentId="a-1", executionId="e-1")
    later = world.clock.now() + 10_000_000
    world.command(issue.Fail(agent="a-1", lease="l-a-1", fence=1, reason="broken", retry_at=later))
    assert (world.row(ISSUES, STREAM).state, world.row(ISSUES, STREAM).reason) == ("retry_wait", "broken")
    assert world.claim("a-2") is None
    world.clock.advance(10)
    assert world.claim("a-2") is not None
    world.command(issue.Fail(agent="a-2", lease="l-a-2", fence=2, reason="for good"))
    assert world.row(ISSUES, STREAM).state == "failed"


HELD = IssueRow(stream=STREAM, repo="acme/app", number=1, state="in_progress", agent="a", lease="l", fence=2, version=4)
DONE = msgspec.structs.replace(HELD, state="done", lease=None)
TIMER = TimerChange("lease:l", 5)


@pytest.mark.parametrize(
    ("row", "command", "outcome"),
    [
        (None, issue.ForceDone(), NotFound),
        (None, issue.Complete(agent="a", lease="l", fence=2), NotFound),
        (None, issue.Expire(lease="l", fence=2, timer=TIMER), ()),
        (HELD, issue.Complete(agent="a", lease="l", fence=2), ("work_completed",)),
        (HELD, issue.Complete(agent="a", lease="l", fence=1), StaleLease),
        (HELD, issue.Complete(agent="b", lease="l", fence=2), StaleLease),
        (HELD, issue.Fail(agent="a", lease="old", fence=2, reason="x"), StaleLease),
        (HELD, issue.Expire(lease="l", fence=2, timer=TIMER), ("lease_expired",)),
        (HELD, issue.Expire(lease="l", fence=1, timer=TIMER), ()),
        (DONE, issue.Expire(lease="l", fence=2, timer=TIMER), ()),
        (HELD, issue.Release(reason="x"), ("lease_released",)),
        (DONE, issue.Release(reason="x"), IllegalTransition),
        (HELD, issue.Abort(reason="x"), ("issue_aborted",)),
        (HELD, issue.Abort(reason=""), BadRequest),
        (DONE, issue.Abort(reason="x"), Conflict),
        (HELD, issue.ForceDone(), ("issue_forced_done",)),
        (DONE, issue.ForceDone(), ()),
    ],
)
def test_commands_of_an_issue(row: IssueRow | None, command: Any, outcome: Any) -> None:
    if isinstance(outcome, tuple):
        assert tuple(e.type for e in issue.decide(row, command, World().context()).events) == outcome
        return
    with pytest.raises(outcome):
        issue.decide(row, command, World().context())


@pytest.mark.parametrize(
    ("decide", "row", "command", "outcome"),
    [
        (job.decide, None, job.Cancel(), NotFound),
        (job.decide, JobRow(id="ir-1", issue=STREAM), job.Cancel(), ("issue_aborted", "job_cancelled")),
        (job.decide, JobRow(id="ir-1", ended_at=5, state="done"), job.Cancel(), BadRequest),
        (agent.decide, None, agent.Free(issues=(STREAM,)), NotFound),
        (agent.decide, AgentRow(id="a"), agent.Free(issues=()), Conflict),
        (agent.decide, AgentRow(id="a"), agent.Free(issues=(STREAM, "b/c#2")), ("issue_unassigned", "issue_unassigned")),
    ],
)
def test_commands_of_jobs_and_agents(decide: Any, row: Any, command: Any, outcome: Any) -> None:
    if isinstance(outcome, tuple):
        assert tuple(e.type for e in decide(row, command, World().context("x")).events) == outcome
        return
    assert issubclass(outcome, RigError)
    with pytest.raises(outcome):
        decide(row, command, World().context("x"))
