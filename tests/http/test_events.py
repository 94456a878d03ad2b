"""Posting and reading events."""

import json
from typing import Any

import pytest

from rig.model.tables import ISSUES
from tests.http.edge import Edge

APPROVED = {
    "type": "ISSUE_APPROVED",
    "repo": "acme/web",
    "issueNumber": 42,
    "title": "Health",
    "priority": "normal",
    "dependsOn": [],
}


async def test_a_posted_event_answers_as_the_seed_shows(edge: Edge) -> None:
    status, body = await edge.post("/api/events", APPROVED)
    assert (status, set(body)) == (200, {"streamId", "type", "timestamp"})
    assert (body["streamId"], body["type"]) == ("acme/web#42", "ISSUE_APPROVED")
    assert body["timestamp"].endswith("Z")
    assert edge.store.get(ISSUES, "default", "acme/web#42") is not None


async def test_names_of_types_and_fields_are_taken_in_any_letter_case(edge: Edge) -> None:
    status, body = await edge.post("/api/events", {"Type": "IssueApproved", "Repo": "acme/web", "IssueNumber": 1})
    assert (status, body["type"]) == (200, "ISSUE_APPROVED")


@pytest.mark.rule("R0-16")
async def test_an_unknown_type_is_400_and_nothing_is_stored(edge: Edge) -> None:
    status, body = await edge.post("/api/events", {"type": "INVALID", "repo": "acme/web", "issueNumber": 1})
    assert (status, body["error"], body["code"]) == (400, "Unknown event type: INVALID", "unknown_event_type")
    assert await edge.get("/api/events/stream?id=acme/web%231") == (200, [])


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"issueNumber": 0}, 400),
        ({"issueNumber": -1}, 400),
        ({"issueNumber": "42"}, 400),
        ({"issueNumber": 2**53}, 400),
        ({"repo": "../.."}, 400),
        ({"repo": "a/b#1"}, 400),
        ({"repo": "a//b"}, 400),
        ({"repo": "a/b\n"}, 400),
        ({"repo": "a/\u202eb"}, 400),
        ({"repo": "a/" + "b" * 300}, 400),
        ({"dependsOn": ["acme/web#42"]}, 422),
        ({"dependsOn": list(range(1, 10_001))}, 400),
    ],
)
async def test_bad_parts_of_an_event_are_refused(edge: Edge, change: dict[str, Any], status: int) -> None:
    assert (await edge.post("/api/events", APPROVED | change))[0] == status


async def test_the_same_idempotency_key_appends_once_and_another_body_is_422(edge: Edge) -> None:
    """I3."""
    headers = {"Idempotency-Key": "k1"}
    first = await edge.post("/api/events", APPROVED, headers=headers)
    edge.clock.advance(5)
    async with edge.client.post("/api/events", json=APPROVED, headers=headers) as again:
        assert (again.status, await again.json()) == first
        assert again.headers["Idempotent-Replayed"] == "true"
    status, body = await edge.post("/api/events", APPROVED | {"title": "other"}, headers=headers)
    assert (status, body["code"]) == (422, "idempotency_key_reused")
    assert len((await edge.get("/api/events/stream?id=acme/web%2342"))[1]) == 1


async def test_a_usage_event_carries_its_computed_cost_into_the_trace(edge: Edge) -> None:
    await edge.approve(42)
    usage = {
        "type": "TOKEN_USAGE",
        "agentId": "a",
        "repo": "acme/web",
        "issueNumber": 42,
        "model": "m",
        "inputTokens": 1_000_000,
    }
    assert (await edge.post("/api/events", usage))[0] == 200
    _, trace = await edge.get("/api/issues/acme%2Fweb%2342/trace")
    assert trace["events"][-1]["data"]["inputTokens"] == 1_000_000
    assert trace["events"][-1]["cost"] == {"countedUsd": 1.0, "rule": "recomputed", "computedUsd": 1.0, "reportedUsd": None}
    assert (trace["totalCostUsd"], trace["tokens"]["inputTokens"]) == (1.0, 1_000_000)


BATCH = [APPROVED, {"type": "NOPE"}, {"type": "HEARTBEAT", "agentId": "dev-e-1", "status": "idle"}]


@pytest.mark.parametrize("lines", [False, True])
async def test_a_batch_has_one_result_each_in_order(edge: Edge, lines: bool) -> None:
    data = "\n".join(json.dumps(e) for e in BATCH) if lines else json.dumps(BATCH)
    kind = "application/x-ndjson" if lines else "application/json"
    async with edge.client.post("/api/events/batch", data=data, headers={"Content-Type": kind}) as response:
        results = await response.json()
    assert response.status == 200
    assert [r.get("sequence") for r in results] == [1, None, 2]
    assert results[1] == {"error": "Unknown event type: NOPE", "code": "unknown_event_type"}
    assert results[2]["streamId"] == "dev-e-1"


async def test_a_bad_line_of_a_batch_is_an_entry_of_its_own(edge: Edge) -> None:
    data = json.dumps(APPROVED) + '\n{"type": NaN}\n'
    async with edge.client.post("/api/events/batch", data=data, headers={"Content-Type": "application/x-ndjson"}) as response:
        assert [r.get("code") for r in await response.json()] == [None, "malformed_json"]


async def test_a_batch_is_idempotent_as_a_whole(edge: Edge) -> None:
    headers = {"Idempotency-Key": "b1"}
    first = await edge.post("/api/events/batch", BATCH, headers=headers)
    assert await edge.post("/api/events/batch", BATCH, headers=headers) == first
    assert (await edge.post("/api/events/batch", BATCH[:1], headers=headers))[0] == 422
    assert len((await edge.get("/api/events/stream?id=dev-e-1"))[1]) == 1


async def test_a_stale_fence_in_a_batch_refuses_its_own_entry_only(edge: Edge) -> None:
    """I9."""
    await edge.approve(42)
    _, claimed = await edge.post("/api/assignments/claim", {"agentId": "a"})
    lease = claimed["lease"]
    events = [
        {"type": "WORK_STARTED", "repo": "acme/web", "issueNumber": 42, "agentId": "a", "leaseId": lease["id"], "fence": fence}
        for fence in (lease["fence"], lease["fence"] + 1)
    ]
    _, results = await edge.post("/api/events/batch", events)
    assert [r.get("code") for r in results] == [None, "stale_lease"]


async def test_batches_are_bounded_and_never_empty(edge: Edge) -> None:
    assert (await edge.post("/api/events/batch", [APPROVED] * 1001))[0] == 422
    assert (await edge.post("/api/events/batch", []))[0] == 400
    assert (await edge.post("/api/events/batch", APPROVED))[0] == 400


@pytest.mark.rule("R0-23", "R0-25")
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/events/acme%2Fweb%2342", 200),
        ("/api/events/acme%2Fweb", 404),
        ("/api/events/acme%252Fweb%252342", 404),
        ("/api/events/%00", 400),
        ("/api/events/%ff", 400),
        ("/api/events/" + "a" * 4096, 400),
        ("/api/events/stream?id=acme%2Fweb%2342", 200),
        ("/api/events/stream?id=acme/web", 200),
        ("/api/events/stream?id=%00", 400),
        ("/api/events/stream?id=%ff", 400),
        ("/api/events/stream?id=" + "a" * 4096, 400),
        ("/api/events/stream", 400),
        ("/api/issues/acme%2Fweb%2342/trace", 200),
        ("/api/v1/issues/acme%2Fweb%2342/trace", 200),
        ("/api/issues/acme%2Fweb/trace", 404),
        ("/api/issues/trace?repo=acme%2Fweb&issueNumber=42", 200),
        ("/api/issues/trace?repo=acme%2Fweb&issueNumber=43", 404),
        ("/api/issues/trace?repo=acme%2Fweb", 400),
    ],
)
async def test_streams_are_found_by_their_encoded_id_and_never_guessed(edge: Edge, path: str, status: int) -> None:
    """The row "Streams by id"."""
    from yarl import URL

    await edge.approve(42)
    async with edge.client.session.get(URL(str(edge.client.make_url("/"))[:-1] + path, encoded=True)) as response:
        assert response.status == status


@pytest.mark.rule("R0-20", "R0-22", "R0-24")
async def test_each_reading_spells_the_type_in_its_own_way(edge: Edge) -> None:
    _, accepted = await edge.post("/api/events", APPROVED)
    _, (stream_event,) = await edge.get("/api/events/stream?id=acme%2Fweb%2342")
    _, trace = await edge.get("/api/issues/acme%2Fweb%2342/trace")
    assert (accepted["type"], stream_event["type"], trace["events"][0]["type"]) == (
        "ISSUE_APPROVED",
        "IssueApproved",
        "issue_approved",
    )
    assert trace["eventCount"] == len(trace["events"]) == 1
    assert (trace["currentState"], trace["issueId"]) == ("queued", "acme/web#42")


async def test_an_event_that_does_not_apply_is_stored_and_says_so(edge: Edge) -> None:
    done = {"type": "ISSUE_DONE", "repo": "acme/web", "issueNumber": 42}
    await edge.post("/api/events", APPROVED)
    assert (await edge.post("/api/events", done))[0] == 200
    assert (await edge.post("/api/events", done))[0] == 200
    _, trace = await edge.get("/api/issues/acme%2Fweb%2342/trace")
    assert [e.get("applied", True) for e in trace["events"]] == [True, True, False]
    assert "reason" in trace["events"][-1]
