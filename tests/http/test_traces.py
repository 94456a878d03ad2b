"""Traces over HTTP: found by issue, job, run and id, and never another tenant's."""

from typing import Any

import pytest

from tests.http.edge import Edge, MakeEdge

ISSUE = "acme/web#42"
SPAN = {"spanId", "parentId", "name", "kind", "start", "end", "status", "tokens", "costUsd"}


async def worked(edge: Edge) -> Any:
    """Issue 42, claimed, worked on and paid for; what the claim answered."""
    await edge.approve(42)
    _, claimed = await edge.post("/api/assignments/claim", {"agentId": "a"})
    own = {"repo": "acme/web", "issueNumber": 42, "agentId": "a"}
    await edge.post("/api/events", {"type": "WORK_STARTED", **own})
    edge.clock.advance(2)
    await edge.post("/api/events", {"type": "TOKEN_USAGE", "model": "m", "inputTokens": 1_000_000, **own})
    return claimed


async def test_an_issue_a_job_a_run_and_an_id_lead_to_the_same_trace(edge: Edge) -> None:
    claimed = await worked(edge)
    status, trace = await edge.get("/api/v1/traces?issue=acme%2Fweb%2342")
    assert (status, set(trace)) == (200, {"traceId", "spans"})
    assert all(set(span) == SPAN for span in trace["spans"])
    assert [(s["kind"], s["status"], s["costUsd"]) for s in trace["spans"]] == [
        ("issue", "running", 1.0),
        ("queue", "completed", 0.0),
        ("attempt", "running", 1.0),
        ("lease", "running", 0.0),
        ("execution", "running", 1.0),
    ]
    assert trace["spans"][0]["tokens"]["inputTokens"] == 1_000_000
    assert (trace["spans"][0]["parentId"], trace["spans"][0]["end"]) == (None, None)
    _, (execution,) = await edge.get("/api/execution-logs")
    for path in (f"/{trace['traceId']}", f"?job={claimed['jobId']}", f"?run={execution['id']}"):
        assert await edge.get(f"/api/v1/traces{path}") == (200, trace)


async def test_the_trace_of_an_issue_agrees_with_the_issue(edge: Edge) -> None:
    await worked(edge)
    await edge.post("/api/events", {"type": "ISSUE_DONE", "repo": "acme/web", "issueNumber": 42})
    _, trace = await edge.get("/api/v1/traces?issue=acme%2Fweb%2342")
    _, (issue,) = await edge.get("/api/issues")
    _, listed = await edge.get("/api/v1/traces")
    root, (summary,) = trace["spans"][0], listed["traces"]
    assert (root["tokens"], root["costUsd"]) == (issue["tokens"], issue["totalCostUsd"])
    assert {name: summary[name] for name in ("start", "end", "status", "tokens", "costUsd")} == {
        name: root[name] for name in ("start", "end", "status", "tokens", "costUsd")
    }
    assert (summary["traceId"], summary["issueId"]) == (trace["traceId"], ISSUE)
    assert root["end"].endswith("Z")


async def test_recent_traces_come_with_the_last_to_move_first(edge: Edge) -> None:
    await edge.approve(1, 2, 3)
    await edge.post("/api/events", {"type": "HEARTBEAT", "agentId": "a", "status": "idle"})
    await edge.post("/api/events", {"type": "WORK_STARTED", "repo": "acme/web", "issueNumber": 2, "agentId": "a"})
    status, listed = await edge.get("/api/v1/traces")
    assert (status, set(listed), listed["asOf"]) == (200, {"traces", "asOf"}, 5)
    assert [t["issueId"] for t in listed["traces"]] == ["acme/web#2", "acme/web#3", "acme/web#1"]
    assert [t["issueId"] for t in (await edge.get("/api/v1/traces?limit=0"))[1]["traces"]] == ["acme/web#2"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("?issue=acme%2Fweb%2342&job=ir-00000000", 400),
        ("?limit=x", 400),
        ("?issue=acme%2Fweb%2343", 404),
        ("?issue=keys", 404),
        ("?issue=a", 404),
        ("?job=ir-00000000", 404),
        ("?run=0195f0a0-0000-7000-8000-000000000000", 404),
        ("/" + "0" * 32, 404),
        ("/" + "1" * 32, 404),
        ("/" + "1" * 16 + "f" * 16, 400),
        ("/" + "1" * 31, 400),
        ("/" + "A" * 32, 400),
        ("/nonsense", 400),
    ],
)
async def test_what_is_no_trace_is_refused(edge: Edge, path: str, status: int) -> None:
    await edge.approve(42)
    await edge.post("/api/events", {"type": "HEARTBEAT", "agentId": "a", "status": "idle"})
    assert (await edge.get(f"/api/v1/traces{path}"))[0] == status


async def test_a_trace_id_with_another_sequence_or_stream_is_unknown(edge: Edge) -> None:
    await worked(edge)
    _, trace = await edge.get("/api/v1/traces?issue=acme%2Fweb%2342")
    half = trace["traceId"][:16]
    assert (await edge.get(f"/api/v1/traces/{half}{2:016x}"))[0] == 404
    assert (await edge.get(f"/api/v1/traces/{'0' * 16}{1:016x}"))[0] == 404


async def test_another_tenants_trace_is_unknown(make_edge: MakeEdge) -> None:
    """I19."""
    edge = await make_edge(auth_mode="required")
    mine = {"Authorization": f"Bearer {await edge.key('a', 'orchestrator:write')}"}
    theirs = {"Authorization": f"Bearer {await edge.key('b', 'orchestrator:write', tenant='acme')}"}
    event = {"type": "ISSUE_APPROVED", "repo": "acme/web", "issueNumber": 42}
    assert (await edge.post("/api/events", event, headers=mine))[0] == 200
    _, trace = await edge.get("/api/v1/traces?issue=acme%2Fweb%2342", headers=mine)
    path = f"/api/v1/traces/{trace['traceId']}"
    assert (await edge.get(path, headers=mine))[0] == 200
    assert (await edge.get(path, headers=theirs))[0] == 404
    assert (await edge.get("/api/v1/traces", headers=theirs))[1]["traces"] == []
