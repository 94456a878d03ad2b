"""Issues, agents, executions, jobs: lists and the commands on them."""

from typing import Any

import pytest

from rig.model.events import NewEvent, encode
from rig.store.units import Unit
from tests.http.edge import Edge, Line


async def test_an_issue_is_created_once(edge: Edge) -> None:
    body = {"identifier": "ENG-123", "title": "Health", "priority": "high", "labels": ["bug"]}
    created = {"identifier": "ENG-123", "streamId": "ENG-123", "state": "queued"}
    assert await edge.post("/api/v1/issues", body, headers={"Idempotency-Key": "i"}) == (201, created)
    assert await edge.post("/api/v1/issues", body, headers={"Idempotency-Key": "i"}) == (201, created)
    status, answer = await edge.post("/api/v1/issues", body)
    assert (status, answer["error"]["code"]) == (409, "already_exists")
    _, (issue,) = await edge.get("/api/issues")
    assert (issue["priority"], issue["labels"], issue["repo"], issue["state"]) == ("high", ["bug"], None, "queued")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"repo": "acme/web", "issueNumber": 5, "dependsOn": [4], "parent": 3}, 201),
        ({"repo": "acme/web"}, 400),
        ({}, 400),
        ({"identifier": "nonsense"}, 400),
        ({"identifier": "ENG-1", "state": "done"}, 400),
        ({"identifier": "ENG-1", "dependsOn": ["ENG-1"]}, 422),
    ],
)
async def test_what_an_issue_needs(edge: Edge, body: dict[str, Any], status: int) -> None:
    assert (await edge.post("/api/v1/issues", body))[0] == status


async def test_issues_are_listed_by_state_repository_and_number(edge: Edge) -> None:
    """6.1, R0-26."""
    await edge.approve(2, 1, repo="b/b")
    await edge.approve(1, repo="a/a")
    await edge.post("/api/assignments/claim", {"agentId": "x"})
    _, issues = await edge.get("/api/issues")
    assert [i["streamId"] for i in issues] == ["a/a#1", "b/b#1", "b/b#2"]
    _, assigned = await edge.get("/api/issues?state=assigned")
    assert [(i["streamId"], i["assignedAgent"]) for i in assigned] == [("b/b#2", "x")]
    assert len((await edge.get("/api/issues?limit=1&offset=1"))[1]) == 1
    assert len((await edge.get("/api/issues?limit=0"))[1]) == 1
    for bad in ("state=cancelled", "state=nope", "limit=x", "offset=-1"):
        assert (await edge.get(f"/api/issues?{bad}"))[0] == 400


async def test_the_queue_is_in_the_order_of_handing_out_and_without_what_is_blocked(edge: Edge) -> None:
    """R0-27, R0-30."""
    await edge.approve(1)
    await edge.approve(2, priority="critical")
    await edge.approve(3, dependsOn=["acme/web#1"])
    _, queue = await edge.get("/api/queue")
    assert [(q["streamId"], q["priority"]) for q in queue] == [("acme/web#2", "critical"), ("acme/web#1", "normal")]


async def test_force_done_answers_as_the_seed_shows(edge: Edge) -> None:
    """R0-59 … R0-61."""
    path = "/api/admin/issues/force-done?repo=acme%2Fweb&issueNumber=42"
    status, body = await edge.post(path)
    assert (status, body["error"]) == (404, "Issue acme/web#42 not found in conductor")
    await edge.approve(42)
    async with edge.client.post(path) as response:
        forced = await response.json()
    assert forced == {"forcedDone": True, "previousState": "queued", "repo": "acme/web", "issueNumber": 42}
    async with edge.client.post(path) as response:
        again = await response.json()
    assert again == {"alreadyDone": True, "state": "done", "repo": "acme/web", "issueNumber": 42}
    assert len((await edge.get("/api/events/stream?id=acme%2Fweb%2342"))[1]) == 2
    for bad in ("repo=acme%2Fweb", "issueNumber=42", "repo=acme%2Fweb&issueNumber=x", "repo=acme&issueNumber=1"):
        assert (await edge.post(f"/api/admin/issues/force-done?{bad}"))[0] == 400


async def test_abort_takes_queued_and_running_issues_and_twice_is_the_same(edge: Edge) -> None:
    """I13."""
    await edge.post("/api/v1/issues", {"identifier": "ENG-1"})
    async with edge.client.post("/api/v1/ENG-1/abort") as response:
        assert (response.status, (await response.json())["status"]) == (202, "cancelled")
    async with edge.client.post("/api/v1/issues/ENG-1/abort") as response:
        assert (response.status, (await response.json())["already_stopping"]) == (200, True)
    await edge.approve(7)
    await edge.post("/api/assignments/claim", {"agentId": "x"})
    async with edge.client.post("/api/v1/issues/acme%2Fweb%237/abort", json={"reason": "wrong\nissue"}) as response:
        assert (response.status, (await response.json())["status"]) == (202, "stopping")
    _, (first, _) = await edge.get("/api/issues")
    assert (first["state"], first["cancelled"]) == ("failed", True)
    assert (await edge.post("/api/v1/ENG-2/abort"))[0] == 404
    assert (await edge.post("/api/v1/config/abort"))[0] == 404


async def test_agents_show_presence_and_work(edge: Edge) -> None:
    """R0-33 … R0-36."""
    await edge.approve(42)
    await edge.post("/api/events", {"type": "HEARTBEAT", "agentId": "a", "status": "idle", "activeProvider": "claude"})
    await edge.post("/api/assignments/claim", {"agentId": "a"})
    _, (agent,) = await edge.get("/api/agents")
    assert (agent["status"], agent["isOnline"], agent["currentIssue"], agent["currentRepo"]) == (
        "working",
        True,
        42,
        "acme/web",
    )
    edge.clock.advance(121)
    _, (agent,) = await edge.get("/api/agents")
    assert (agent["isOnline"], agent["name"], agent["lastModel"]) == (False, None, None)


async def started(edge: Edge) -> str:
    await edge.approve(42)
    await edge.post("/api/assignments/claim", {"agentId": "a"})
    await edge.post(
        "/api/events", {"type": "WORK_STARTED", "agentId": "a", "repo": "acme/web", "issueNumber": 42, "branch": "b"}
    )
    _, (execution,) = await edge.get("/api/execution-logs")
    return str(execution["id"])


@pytest.mark.parametrize(
    ("query", "status", "rows"),
    [
        ("", 200, 1),
        ("?status=RUNNING", 200, 1),
        ("?status=Completed", 200, 0),
        ("?status=cancelled", 400, None),
        ("?status=x", 400, None),
        ("?limit=0", 200, 1),
        ("?limit=1000", 200, 1),
        ("?limit=x", 400, None),
    ],
)
async def test_executions_are_listed_by_status_in_any_letter_case(
    edge: Edge, query: str, status: int, rows: int | None
) -> None:
    await started(edge)
    got, body = await edge.get(f"/api/execution-logs{query}")
    assert got == status
    if rows is None:
        assert "Must be one of: running, completed, failed, stuck" in body["error"] or "limit" in query
    else:
        assert len(body) == rows
        assert all("steps" not in e and e["durationSeconds"] is None for e in body)


async def test_an_execution_shows_its_steps_and_lines(edge: Edge) -> None:
    execution = await started(edge)
    edge.logs.lines[execution] = [Line(1, edge.clock.now(), "stdout", "hello\x1b[2J")]
    _, detail = await edge.get(f"/api/execution-logs/{execution}")
    assert [s["type"] for s in detail["steps"]] == ["work_started"]
    assert detail["logs"][0]["line"] == 1
    async with edge.client.get(f"/api/v1/attempts/{execution}/logs") as response:
        assert response.content_type == "application/x-ndjson"
        assert (await response.text()).count("\n") == 1
    async with edge.client.get(f"/api/v1/attempts/{execution}/logs", headers={"Accept": "text/event-stream"}) as response:
        text = await response.text()
    assert text.startswith("id: 1\nevent: log\ndata: ")
    assert 'event: end\ndata: {"status":"running"}' in text


async def test_jobs_are_paged_newest_first(edge: Edge) -> None:
    """R2-11: page and limit are moved into their range, never refused."""
    await edge.approve(1, 2, 3)
    for _ in range(3):
        edge.clock.advance(1)
        await edge.post("/api/assignments/claim", {"agentId": "a"})
    _, page = await edge.get("/api/jobs?page=1&limit=2")
    assert (page["total"], page["limit"], [j["issueId"] for j in page["jobs"]]) == (3, 2, ["acme/web#3", "acme/web#2"])
    for number, issues in ((2, ["acme/web#1"]), (3, []), (10**11, [])):
        _, page = await edge.get(f"/api/jobs?page={number}&limit=2")
        assert (page["total"], [j["issueId"] for j in page["jobs"]]) == (3, issues)
    assert (await edge.get("/api/jobs?chainId=x"))[1]["total"] == 0
    for query, limit in (("limit=0", 1), ("limit=1000", 100), ("limit=x", 20), ("page=-5", 20), ("page=--5", 20)):
        _, page = await edge.get(f"/api/jobs?{query}")
        assert (page["limit"], page["page"]) == (limit, 1)
    job = page["jobs"][0]["id"]
    _, detail = await edge.get(f"/api/jobs/{job}")
    assert (detail["status"], detail["phase"], detail["returnvalue"]) == ("active", "Running", None)
    assert (await edge.get("/api/jobs/ir-00000000"))[0] == 404


async def test_transitions_say_what_an_issue_may_become(edge: Edge) -> None:
    await edge.approve(1)
    _, body = await edge.get("/api/v1/transitions?id=acme%2Fweb%231")
    assert body["issues"]["acme/web#1"]["state"] == "queued"
    assert "assigned" in body["issues"]["acme/web#1"]["allowed"]
    assert body["vocabulary"]["cancelled"]["conductor"] == "failed"


async def test_a_trace_marks_all_that_could_not_be_applied_however_much_it_is(edge: Edge) -> None:
    await edge.approve(1)
    done = NewEvent("acme/web#1", "issue_done", encode({"repo": "acme/web", "issueNumber": 1}))
    await edge.store.commit_many([Unit("default", (done,) * 100) for _ in range(101)])
    _, trace = await edge.get("/api/issues/acme%2Fweb%231/trace")
    assert [event.get("applied", True) for event in trace["events"]] == [True, True] + [False] * 10_099
