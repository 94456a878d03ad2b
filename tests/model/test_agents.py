"""What events say of agents, rule by rule (R0-33 … R0-37), and of the merge gate (R0-66)."""

from typing import Any

import pytest

from rig.model.tables import AGENTS, ISSUES, QUEUE
from rig.wire import views
from tests.model.test_folds import STREAM, World


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.rule("R0-33")
@pytest.mark.parametrize(
    ("type_", "known"),
    [("HEARTBEAT", True), ("ISSUE_ASSIGNED", True), ("WORK_STARTED", True), ("TOKEN_USAGE", False), ("MEMORY_WRITE", False)],
)
def test_an_agent_is_known_by_heartbeat_or_assignment_only(world: World, type_: str, known: bool) -> None:
    world.post(type_, agentId="dev", model="m")
    row = world.row(AGENTS, "dev")
    assert (row is not None and row.known) is known


@pytest.mark.rule("R0-33")
@pytest.mark.parametrize("type_", ["HEARTBEAT", "ISSUE_ASSIGNED", "WORK_STARTED"])
def test_each_of_them_says_at_once_what_the_agent_works_on(world: World, type_: str) -> None:
    world.post(type_, agentId="dev", status="working", currentIssue=1, currentRepo="acme/app")
    row = world.row(AGENTS, "dev")
    assert (row.status, row.issue, row.number, row.repo) == ("working", STREAM, 1, "acme/app")


@pytest.mark.rule("R0-34")
@pytest.mark.parametrize(("seconds", "online"), [(0, True), (119.9, True), (120, True), (120.1, False), (864_000, False)])
def test_an_agent_is_online_for_two_minutes_after_a_heartbeat(world: World, seconds: float, online: bool) -> None:
    world.post("HEARTBEAT", agentId="dev")
    world.clock.advance(seconds)
    assert views.agent(world.row(AGENTS, "dev"), world.clock.now()).is_online is online


@pytest.mark.rule("R0-34")
def test_an_agent_that_was_only_assigned_is_offline_and_was_never_heard(world: World) -> None:
    world.post("ISSUE_ASSIGNED", agentId="dev")
    shown = views.agent(world.row(AGENTS, "dev"), world.clock.now())
    assert (shown.is_online, shown.last_heartbeat) == (False, None)


@pytest.mark.rule("R0-35")
@pytest.mark.parametrize(
    ("end", "status"),
    [("ISSUE_DONE", "idle"), ("ISSUE_CANCELLED", "idle"), ("AGENT_STUCK", "stuck"), ("ESCALATED", "idle")],
)
def test_the_end_of_its_issue_ends_its_work(world: World, end: str, status: str) -> None:
    world.post("WORK_STARTED", agentId="dev")
    world.post(end, agentId="dev")
    row = world.row(AGENTS, "dev")
    assert (row.status, row.issue, row.number, row.repo) == (status, None, None, None)


@pytest.mark.rule("R0-35")
def test_review_and_deployment_are_still_its_work_until_the_issue_is_done(world: World) -> None:
    world.post("WORK_STARTED", agentId="dev")
    for event in ("PR_CREATED", "CI_PASSED", "REVIEW_PASSED", "MERGED", "VERIFIED"):
        world.post(event, agentId="dev")
        assert (world.row(AGENTS, "dev").status, world.row(AGENTS, "dev").issue) == ("working", STREAM)
    world.post("ISSUE_DONE", agentId="dev")
    assert (world.row(AGENTS, "dev").status, world.row(AGENTS, "dev").issue) == ("idle", None)


@pytest.mark.rule("R0-35")
@pytest.mark.parametrize("beat", [{"status": "idle"}, {"status": "idle", "currentIssue": 1, "currentRepo": "acme/app"}])
def test_an_idle_heartbeat_clears_what_it_worked_on(world: World, beat: dict[str, Any]) -> None:
    world.post("WORK_STARTED", agentId="dev")
    world.post("HEARTBEAT", agentId="dev", **beat)
    row = world.row(AGENTS, "dev")
    assert (row.status, row.issue, row.number, row.repo) == ("idle", None, None, None)


@pytest.mark.rule("R0-35")
def test_a_heartbeat_without_a_status_changes_none_and_an_idle_agent_has_no_issue(world: World) -> None:
    world.post("HEARTBEAT", agentId="dev", currentIssue=1, currentRepo="acme/app")
    assert (world.row(AGENTS, "dev").status, world.row(AGENTS, "dev").issue) == ("idle", None)
    world.post("WORK_STARTED", agentId="dev")
    world.post("HEARTBEAT", agentId="dev")
    assert (world.row(AGENTS, "dev").status, world.row(AGENTS, "dev").issue) == ("working", STREAM)


@pytest.mark.rule("R0-36")
def test_the_last_model_is_that_of_the_newest_usage_also_from_before_it_was_known(world: World) -> None:
    world.post("HEARTBEAT", agentId="dev", model="said", activeProvider="claude")
    assert world.row(AGENTS, "dev").last_model is None
    world.post("TOKEN_USAGE", agentId="dev", model="m-1")
    world.post("WORK_STARTED", agentId="dev", model="m-2")
    assert world.row(AGENTS, "dev").last_model == "m-1"
    world.post("TOKEN_USAGE", agentId="new", model="m-3")
    world.post("HEARTBEAT", agentId="new")
    assert (world.row(AGENTS, "new").known, world.row(AGENTS, "new").last_model) == (True, "m-3")


@pytest.mark.rule("R0-37")
@pytest.mark.parametrize(
    ("events", "completed", "failed"),
    [
        (["WORK_STARTED", "ISSUE_DONE", "ISSUE_DONE"], 1, 0),
        (["WORK_STARTED", "PR_CREATED", "MERGED", "ISSUE_DONE"], 1, 0),
        (["WORK_STARTED", "AGENT_STUCK", "AGENT_STUCK"], 0, 1),
        (["WORK_STARTED", "ESCALATED"], 0, 1),
        (["WORK_STARTED", "ISSUE_CANCELLED"], 0, 0),
        (["WORK_STARTED", "ISSUE_UNASSIGNED", "ESCALATED"], 0, 0),
    ],
)
def test_what_an_agent_finished_and_failed_is_counted_once(
    world: World, events: list[str], completed: int, failed: int
) -> None:
    for event in events:
        world.post(event, agentId="dev")
    row = world.row(AGENTS, "dev")
    assert (row.completed, row.failed) == (completed, failed)


@pytest.mark.rule("R0-66")
@pytest.mark.parametrize(
    ("events", "review", "ci"),
    [
        ([], None, None),
        (["REVIEW_PASSED"], "passed", None),
        (["CI_PASSED", "REVIEW_PASSED"], "passed", "passed"),
        (["CI_PASSED", "CI_FAILED", "REVIEW_DISPUTED"], "disputed", "failed"),
        (["REVIEW_PASSED", "CI_PASSED", "CHANGES_REQUESTED"], "changes_requested", None),
        (["REVIEW_PASSED", "CI_PASSED", "PR_CREATED"], None, None),
    ],
)
def test_the_merge_gate_is_events_only(world: World, events: list[str], review: str | None, ci: str | None) -> None:
    world.post("PR_CREATED", prNumber=4)
    before = len(world.backend.events)
    for event in events:
        world.post(event, prNumber=4)
    shown = views.issue(world.row(ISSUES, STREAM))
    assert (shown.review_status, shown.ci_status, shown.state) == (
        review,
        ci,
        "in_progress" if events[-1:] == ["CHANGES_REQUESTED"] else "in_review",
    )
    assert len(world.backend.events) == before + len(events)


@pytest.mark.rule("R0-66")
def test_an_escalated_issue_has_failed(world: World) -> None:
    world.post("WORK_STARTED", agentId="dev")
    world.post("ESCALATED", reason="three attempts")
    assert views.issue(world.row(ISSUES, STREAM)).state == "failed"


@pytest.mark.rule("R0-64")
@pytest.mark.parametrize("again", ["ISSUE_ASSIGNED", "ISSUE_APPROVED"])
def test_an_orphan_is_none_once_it_is_assigned_or_approved_again(world: World, again: str) -> None:
    world.post("ISSUE_APPROVED")
    world.post("ISSUE_ORPHANED")
    assert views.issue(world.row(ISSUES, STREAM)).orphan_status == "orphan"
    world.post("ISSUE_NEEDS_HUMAN")
    assert not world.row(QUEUE, STREAM).ready
    world.post(again, agentId="dev")
    assert views.issue(world.row(ISSUES, STREAM)).orphan_status is None
