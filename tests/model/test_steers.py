"""What people say to an agent at work: who may be told, and what becomes of it."""

from typing import Any

import pytest

from rig.errors import Conflict
from rig.ids import SeededIds
from rig.model.call import Call
from rig.model.decide import issue
from rig.model.decide.base import Context
from rig.model.decide.steer import MAX_PENDING, Steer
from rig.model.events import Event, encode
from rig.model.rows import IssueRow, State

STREAM = "acme/app#1"


def row(**changes: Any) -> IssueRow:
    given: dict[str, Any] = {"state": "in_progress", "agent": "ada", "lease": "l-1", "steerable": True, "execution": "e-1"}
    return IssueRow(stream=STREAM, repo="acme/app", number=1, version=3, **{**given, **changes})


def context() -> Context:
    return Context(STREAM, 1, SeededIds(), Call())


def event(type_: str, **body: Any) -> Event:
    return Event(1, "default", 9, STREAM, 4, type_, "id", 5, "local", "", "", b"{}", encode(body), b"", b"")


@pytest.mark.parametrize("state", ["assigned", "in_progress", "blocked"])
@pytest.mark.parametrize("steerable", [True, None])
def test_an_agent_at_work_is_told(state: State, steerable: bool | None) -> None:
    decision = issue.decide(row(state=state, steerable=steerable), Steer(id="s-1", message="look left"), context())
    (said,) = decision.events
    assert (said.type, said.stream) == ("steer_requested", STREAM)
    assert b'"steerId":"s-1"' in said.body
    assert b'"message":"look left"' in said.body


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"state": "queued", "lease": None}, "no agent is at work"),
        ({"state": "retry_wait", "lease": None}, "no agent is at work"),
        ({"state": "in_review", "lease": None}, "no agent is at work"),
        ({"state": "done", "lease": None}, "no agent is at work"),
        ({"state": "failed", "lease": None}, "no agent is at work"),
        ({"state": "cancelled", "lease": None}, "no agent is at work"),
        ({"steerable": False}, "can't steer"),
        ({"lease": None, "steerable": None}, "works without a lease"),
        ({"steers": tuple(map(str, range(MAX_PENDING)))}, "wait for the agent already"),
    ],
)
def test_where_nobody_can_be_told_it_is_a_conflict(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(Conflict, match=why):
        issue.decide(row(**changes), Steer(id="s-1", message="look left"), context())


@pytest.mark.parametrize(
    ("type_", "body", "left"),
    [
        ("steer_requested", {"steerId": "c", "message": "m"}, ("a", "b", "c")),
        ("steer_delivered", {"steerId": "a"}, ("b",)),
        ("steer_rejected", {"steerId": "b", "reason": "no"}, ("a",)),
        ("steer_delivered", {"steerId": "x"}, ("a", "b")),
        ("work_failed", {"agentId": "ada", "retryAt": 7}, ("a", "b")),
        ("lease_expired", {"agentId": "ada"}, ("a", "b")),
        ("work_failed", {"agentId": "ada", "terminal": True}, ()),
        ("work_completed", {"agentId": "ada"}, ()),
        ("issue_aborted", {"reason": "no"}, ()),
    ],
)
def test_what_reached_no_agent_is_kept_for_the_next_attempt_and_no_longer(
    type_: str, body: dict[str, Any], left: tuple[str, ...]
) -> None:
    after = issue.fold(row(steers=("a", "b")), event(type_, **body))
    assert after is not None
    assert after.steers == left


@pytest.mark.parametrize(("said", "steerable"), [({"steers": True}, True), ({"steers": False}, False), ({}, None)])
def test_a_session_says_whether_it_can_be_told(said: dict[str, bool], steerable: bool | None) -> None:
    before = row(state="assigned", execution=None, steerable=not steerable)
    after = issue.fold(before, event("work_started", agentId="ada", executionId="e-2", **said))
    assert after is not None
    assert (after.state, after.steerable) == ("in_progress", steerable)
