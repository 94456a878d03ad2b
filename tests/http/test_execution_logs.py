"""Execution logs of agents that Rig did not launch: WORK_STARTED opens, TOKEN_USAGE and CLI_* fill, many things close."""

from typing import Any

import pytest

from rig.actors.system import System
from rig.actors.timers import Timers
from rig.clock import iso
from rig.reactors import leases
from tests.http.edge import Edge, Line

OWN = {"repo": "acme/web", "issueNumber": 42, "agentId": "a"}
SUMMARY = {
    "id": str,
    "repo": str,
    "issueNumber": int,
    "prNumber": int | None,
    "agentId": str,
    "status": str,
    "startedAt": str,
    "completedAt": str | None,
    "durationSeconds": int | None,
    "totalCostUsd": float,
    "totalTurns": int,
    "model": str | None,
    "stepCount": int,
    "logCount": int,
}


async def post(edge: Edge, type_: str, **fields: Any) -> None:
    status, body = await edge.post("/api/events", {"type": type_, **OWN, **fields})
    assert status == 200, body


async def only(edge: Edge, query: str = "") -> Any:
    _, (execution,) = await edge.get(f"/api/execution-logs{query}")
    return execution


async def lease_of(edge: Edge) -> tuple[str, dict[str, Any]]:
    """Issue 42 claimed and begun; the path of its lease, and what its holder sends."""
    _, claimed = await edge.post("/api/assignments/claim", {"agentId": "a"})
    await post(edge, "WORK_STARTED")
    lease = claimed["lease"]
    return f"/api/leases/{lease['id']}", {"agentId": "a", "fence": lease["fence"]}


@pytest.mark.rule("R0-41", "R0-42")
async def test_a_running_execution_fills_up_and_has_no_duration_yet(edge: Edge) -> None:
    await edge.approve(42)
    await post(edge, "WORK_STARTED", branch="rig/42")
    await post(edge, "CLI_STARTED")
    await post(edge, "TOKEN_USAGE", model="claude-sonnet-4-5", inputTokens=250_000)
    await post(edge, "CLI_COMPLETED", turns=24, exitCode=0)
    shown = await only(edge)
    assert {name: isinstance(shown[name], kind) for name, kind in SUMMARY.items()} == dict.fromkeys(SUMMARY, True)
    assert (shown["status"], shown["durationSeconds"], shown["completedAt"]) == ("running", None, None)
    assert (shown["totalCostUsd"], shown["totalTurns"], shown["model"]) == (0.25, 24, "claude-sonnet-4-5")
    assert not {"steps", "logs"} & set(shown)
    _, detail = await edge.get(f"/api/execution-logs/{shown['id']}")
    assert [step["type"] for step in detail["steps"]] == ["work_started", "cli_started", "token_usage", "cli_completed"]
    assert detail["stepCount"] == shown["stepCount"] == 4
    assert detail["steps"][2]["data"]["inputTokens"] == 250_000
    await post(edge, "PR_CREATED", prNumber=99)
    ended = await only(edge)
    assert (ended["status"], ended["prNumber"]) == ("completed", 99)


ENDS = [
    ("ISSUE_DONE", {}, "completed", None),
    ("PR_CREATED", {"prNumber": 1}, "completed", None),
    ("MERGED", {}, "completed", None),
    ("ISSUE_CANCELLED", {"reason": "not wanted"}, "failed", "cancelled"),
    ("AGENT_STUCK", {"reason": "no progress"}, "stuck", "no progress"),
    ("ISSUE_UNASSIGNED", {"reason": "gave up"}, "failed", "gave up"),
    ("ESCALATED", {"reason": "too hard"}, "failed", "too hard"),
    ("ESCALATED", {}, "failed", "escalated"),
]


@pytest.mark.parametrize(("type_", "fields", "status", "reason"), ENDS)
async def test_an_event_ends_the_execution(
    edge: Edge, type_: str, fields: dict[str, Any], status: str, reason: str | None
) -> None:
    await edge.approve(42)
    await post(edge, "WORK_STARTED")
    edge.clock.advance(720.9)
    await post(edge, type_, **fields)
    shown = await only(edge, f"?status={status.upper()}")
    assert (shown["status"], shown["failedReason"], shown["durationSeconds"]) == (status, reason, 720)
    assert shown["completedAt"] == iso(edge.clock.now())
    edge.clock.advance(60)
    await post(edge, type_, **fields)
    assert await only(edge) == shown, "an execution that ended stays as it is (I13)"


@pytest.mark.parametrize(
    ("how", "status", "reason"),
    [
        ("complete", "completed", None),
        ("fail", "failed", "tests fail"),
        ("release", "failed", "maintenance"),
        ("abort", "failed", "cancelled"),
        ("cancel the job", "failed", "cancelled"),
        ("force done", "completed", None),
        ("expire", "failed", "no heartbeat before the lease ended"),
    ],
)
async def test_the_end_of_its_lease_ends_the_execution(edge: Edge, how: str, status: str, reason: str | None) -> None:
    await edge.approve(42)
    path, holder = await lease_of(edge)
    match how:
        case "complete":
            await edge.post(f"{path}/complete", holder)
        case "fail":
            await edge.post(f"{path}/fail", holder | {"reason": "tests fail"})
        case "release":
            await edge.post("/api/v1/agents/a/release", {"reason": "maintenance"})
        case "abort":
            await edge.post("/api/v1/issues/acme%2Fweb%2342/abort", {"reason": "not wanted"})
        case "cancel the job":
            _, jobs = await edge.get("/api/jobs")
            await edge.post(f"/api/jobs/{jobs['jobs'][0]['id']}/cancel", {})
        case "force done":
            await edge.post("/api/admin/issues/force-done?repo=acme%2Fweb&issueNumber=42")
        case "expire":
            edge.clock.advance(121)
            system = edge.deps.system
            assert isinstance(system, System)
            await Timers(edge.store, edge.clock, leases.handlers(system), grace=0).fire()
    shown = await only(edge)
    assert (shown["status"], shown["failedReason"]) == (status, reason)
    assert shown["durationSeconds"] == (121 if how == "expire" else 0)


async def test_work_that_is_started_twice_is_one_execution(edge: Edge) -> None:
    await edge.approve(42)
    await post(edge, "WORK_STARTED")
    await post(edge, "WORK_STARTED", branch="rig/42")
    shown = await only(edge)
    assert (shown["branch"], shown["stepCount"]) == ("rig/42", 2)
    await post(edge, "ISSUE_DONE")
    assert (await only(edge))["status"] == "completed"


async def test_another_executions_id_ends_the_one_before(edge: Edge) -> None:
    await edge.approve(42)
    await post(edge, "WORK_STARTED", executionId="e1")
    await post(edge, "WORK_STARTED", executionId="e2")
    _, shown = await edge.get("/api/execution-logs")
    assert {e["id"]: (e["status"], e["failedReason"]) for e in shown} == {
        "e1": ("failed", "work was started anew"),
        "e2": ("running", None),
    }


async def test_rework_after_a_review_is_an_execution_of_its_own(edge: Edge) -> None:
    await edge.approve(42)
    for type_ in ("WORK_STARTED", "PR_CREATED", "CHANGES_REQUESTED", "WORK_STARTED"):
        edge.clock.advance(1)
        await post(edge, type_)
    _, shown = await edge.get("/api/execution-logs")
    assert [e["status"] for e in shown] == ["running", "completed"]
    assert shown[1]["durationSeconds"] == 1


async def test_no_issue_ends_or_fills_the_execution_of_another(edge: Edge) -> None:
    await edge.approve(42, 43)
    await post(edge, "WORK_STARTED", executionId="e1")
    other = {"issueNumber": 43, "agentId": "b", "executionId": "e1"}
    for type_ in ("WORK_STARTED", "CLI_COMPLETED", "ISSUE_CANCELLED"):
        await post(edge, type_, **other)
    shown = await only(edge)
    assert (shown["status"], shown["issueNumber"], shown["stepCount"]) == ("running", 42, 1)


async def test_lines_of_a_running_execution_count_before_their_segment_is_sealed(edge: Edge) -> None:
    await edge.approve(42)
    await post(edge, "WORK_STARTED")
    execution = (await only(edge))["id"]
    edge.logs.lines[execution] = [Line(n, edge.clock.now(), "stdout", "x") for n in (1, 2, 3)]
    _, detail = await edge.get(f"/api/execution-logs/{execution}")
    assert ((await only(edge))["logCount"], detail["logCount"], len(detail["logs"])) == (3, 3, 3)


@pytest.mark.rule("R0-38", "R0-42")
async def test_the_newest_come_first_and_the_limit_is_moved_into_its_range(edge: Edge) -> None:
    for number in range(1, 56):
        edge.clock.advance(number % 2)  # pairs begin at the same instant
        await edge.approve(number)
        await post(edge, "WORK_STARTED", issueNumber=number, agentId=f"a-{number}")
    _, shown = await edge.get("/api/execution-logs")
    assert len(shown) == 50
    begun = [e["startedAt"] for e in shown]
    assert begun == sorted(begun, reverse=True)
    _, all_ = await edge.get("/api/execution-logs?limit=9999")
    assert (len(all_), all_[:50]) == (55, shown)
    assert len({e["id"] for e in all_}) == 55
    assert await edge.get("/api/execution-logs?limit=9999") == (200, all_)
    assert (await edge.get("/api/execution-logs?limit=-3"))[1] == all_[:1]


@pytest.mark.rule("R0-38", "R0-42")
async def test_those_of_one_issue_are_found_however_many_others_there_are_and_with_a_status_too(edge: Edge) -> None:
    await edge.approve(42, 43)
    for again in range(3):
        edge.clock.advance(1)
        await post(edge, "WORK_STARTED", agentId=f"a-{again}")
        await post(edge, "ISSUE_UNASSIGNED", agentId=f"a-{again}")
    await post(edge, "WORK_STARTED", agentId="a-3")
    for other in range(4):
        edge.clock.advance(1)
        await post(edge, "WORK_STARTED", issueNumber=43, agentId=f"b-{other}")
        await post(edge, "ISSUE_UNASSIGNED", issueNumber=43, agentId=f"b-{other}")
    _, shown = await edge.get("/api/execution-logs?issue=acme%2Fweb%2342&limit=4")
    assert [e["agentId"] for e in shown] == ["a-3", "a-2", "a-1", "a-0"]
    assert (await only(edge, "?issue=acme%2Fweb%2342&status=Running"))["agentId"] == "a-3"
    assert await edge.get("/api/execution-logs?issue=acme%2Fweb%2342&status=running&limit=1") == (200, shown[:1])
    assert await edge.get("/api/execution-logs?issue=acme%2Fweb%239") == (200, [])


@pytest.mark.rule("R0-39")
@pytest.mark.parametrize("status", ["running", "RUNNING", "Running", "rUnNiNg"])
async def test_a_status_is_taken_in_any_letter_case(edge: Edge, status: str) -> None:
    await edge.approve(42, 43)
    await post(edge, "WORK_STARTED")
    await post(edge, "WORK_STARTED", issueNumber=43)
    await post(edge, "ISSUE_DONE", issueNumber=43)
    assert (await only(edge, f"?status={status}"))["issueNumber"] == 42


@pytest.mark.rule("R0-40")
@pytest.mark.parametrize("status", ["cancelled", "CANCELLED", "done", "%20running", "running,failed"])
async def test_another_status_is_400_and_says_which_there_are(edge: Edge, status: str) -> None:
    from urllib.parse import unquote

    code, body = await edge.get(f"/api/execution-logs?status={status}")
    assert (code, body["error"]) == (
        400,
        f"Invalid status '{unquote(status)}'. Must be one of: running, completed, failed, stuck",
    )
