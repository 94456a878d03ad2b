"""Looking, claiming, renewing, ending (I8, I9)."""

import asyncio
from typing import Any

import pytest

from rig.model.tables import ISSUES, LEASES
from tests.http.edge import Edge


async def claim(edge: Edge, agent: str = "a", **more: Any) -> Any:
    status, body = await edge.post("/api/assignments/claim", {"agentId": agent, **more})
    assert status == 200
    return body


async def test_forty_claimers_get_distinct_leases_in_queue_order_and_then_204(edge: Edge) -> None:
    """A6, I8."""
    await edge.approve(*range(1, 61))
    await edge.approve(100, priority="critical")

    async def claimer(number: int) -> list[str]:
        got: list[str] = []
        while True:
            status, body = await edge.post("/api/assignments/claim", {"agentId": f"agent-{number}"})
            if status == 204:
                return got
            got.append(body["streamId"])

    async with asyncio.timeout(20):
        all_got = await asyncio.gather(*(claimer(n) for n in range(40)))
    order = [f"acme/web#{n}" for n in (100, *range(1, 61))]
    assert sorted(s for got in all_got for s in got) == sorted(order)
    for got in all_got:
        assert got == sorted(got, key=order.index)


async def test_a_claim_has_the_shape_of_the_seed_and_a_lease(edge: Edge) -> None:
    await edge.approve(42)
    body = await claim(edge, leaseSeconds=60)
    assert body["issue"] == {"number": 42, "repo": "acme/web", "title": "Issue 42", "milestone": None}
    assert (body["streamId"], body["priority"], body["attempt"]) == ("acme/web#42", "normal", 1)
    assert set(body["lease"]) == {"id", "fence", "expiresAt"}
    assert body["jobId"].startswith("ir-")


async def test_next_is_a_pure_read_also_for_head(edge: Edge) -> None:
    """R0-28, R0-29."""
    assert (await edge.get("/api/assignments/next?agentId=a"))[0] == 204
    await edge.approve(42)
    for _ in range(2):
        status, body = await edge.get("/api/assignments/next")
        assert (status, body["streamId"]) == (200, "acme/web#42")
        await (await edge.client.head("/api/assignments/next?agentId=a")).read()
    assert (await edge.get("/api/assignments/claim"))[0] == 405
    row = edge.store.get(ISSUES, "default", "acme/web#42")
    assert row is not None
    assert row.state == "queued"


@pytest.mark.parametrize(("path", "post"), [("/api/assignments/next?wait=5", False), ("/api/assignments/claim?wait=5", True)])
async def test_a_long_poll_is_woken_by_the_commit_that_brings_work(edge: Edge, path: str, post: bool) -> None:
    waiting = asyncio.ensure_future(edge.post(path, {"agentId": "a"}) if post else edge.get(path))
    await asyncio.sleep(0.05)
    began = asyncio.get_running_loop().time()
    await edge.approve(42)
    status, body = await waiting
    assert (status, body["streamId"]) == (200, "acme/web#42")
    assert asyncio.get_running_loop().time() - began < 1


async def test_a_long_poll_ends_with_204(edge: Edge) -> None:
    assert (await edge.post("/api/assignments/claim?wait=1", {"agentId": "a"}))[0] == 204
    assert (await edge.post("/api/assignments/claim?wait=61", {"agentId": "a"}))[0] == 400


async def test_a_repeated_claim_is_told_apart_by_its_key(edge: Edge) -> None:
    """I3."""
    await edge.approve(1, 2)
    headers = {"Idempotency-Key": "c"}
    first = await edge.post("/api/assignments/claim", {"agentId": "a"}, headers=headers)
    assert await edge.post("/api/assignments/claim", {"agentId": "a"}, headers=headers) == first
    assert (await claim(edge))["streamId"] == "acme/web#2"


async def test_claims_need_an_agent_in_body_or_query(edge: Edge) -> None:
    assert (await edge.post("/api/assignments/claim", {}))[0] == 400
    async with edge.client.post("/api/assignments/claim?agentId=a") as response:
        assert response.status == 204


async def test_a_heartbeat_moves_the_end_of_the_lease(edge: Edge) -> None:
    await edge.approve(42)
    lease = (await claim(edge))["lease"]
    edge.clock.advance(60)
    body = {"agentId": "a", "fence": lease["fence"]}
    status, renewed = await edge.post(f"/api/leases/{lease['id']}/heartbeat", body)
    assert (status, set(renewed)) == (200, {"expiresAt", "messages", "cancelRequested", "budgetLeft"})
    assert renewed["expiresAt"] > lease["expiresAt"]
    with edge.store.snapshot() as snapshot:
        ((_, timer),) = snapshot.timers(2**62, 10)
    assert timer.key == f"lease:{lease['id']}"
    assert timer.due == edge.clock.now() + 120_000_000


@pytest.mark.parametrize("verb", ["heartbeat", "complete", "fail"])
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"agentId": "a", "fence": 0}, 409, "stale_lease"),
        ({"agentId": "a", "fence": 99}, 409, "stale_lease"),
        ({"agentId": "b", "fence": 1}, 409, "stale_lease"),
        ({"agentId": "a"}, 400, "bad_request"),
        ({"fence": 1}, 400, "bad_request"),
        ({"agentId": "a", "fence": "1"}, 400, "bad_request"),
    ],
)
async def test_only_the_holder_with_the_newest_fence_may(
    edge: Edge, verb: str, body: dict[str, Any], status: int, code: str
) -> None:
    """I9."""
    await edge.approve(42)
    lease = (await claim(edge))["lease"]
    got, answer = await edge.post(f"/api/leases/{lease['id']}/{verb}", body)
    assert (got, answer["code"]) == (status, code)
    assert (await edge.post(f"/api/leases/none/{verb}", {"agentId": "a", "fence": 1}))[0] == 404


async def test_a_completed_lease_leads_to_review_and_is_over(edge: Edge) -> None:
    """I13."""
    await edge.approve(42)
    lease = (await claim(edge))["lease"]
    body = {"agentId": "a", "fence": lease["fence"], "result": "all done", "reason": "ok"}
    status, ended = await edge.post(f"/api/leases/{lease['id']}/complete", body, headers={"Idempotency-Key": "e"})
    assert (status, ended) == (200, {"streamId": "acme/web#42", "state": "in_review", "leaseId": lease["id"]})
    assert (await edge.post(f"/api/leases/{lease['id']}/complete", body, headers={"Idempotency-Key": "e"}))[1] == ended
    assert (await edge.post(f"/api/leases/{lease['id']}/complete", body))[0] == 409
    assert (await edge.post(f"/api/leases/{lease['id']}/heartbeat", {"agentId": "a", "fence": 1}))[0] == 409
    stale = {"type": "WORK_STARTED", "repo": "acme/web", "issueNumber": 42, "agentId": "a", "leaseId": lease["id"], "fence": 1}
    assert (await edge.post("/api/events", stale))[0] == 409
    row = edge.store.get(LEASES, "default", lease["id"])
    assert row is not None
    assert row.state == "completed"


async def test_a_failed_lease_waits_for_its_next_attempt(edge: Edge) -> None:
    await edge.approve(42)
    lease = (await claim(edge))["lease"]
    status, ended = await edge.post(f"/api/leases/{lease['id']}/fail", {"agentId": "a", "fence": 1, "reason": "tests"})
    assert (status, ended["state"]) == (200, "queued")
    assert (await edge.get("/api/assignments/next"))[0] == 204
    edge.clock.advance(10)
    _, again = await edge.get("/api/assignments/next")
    assert again["attempt"] == 2


@pytest.mark.rule("I9")
async def test_a_lease_on_one_issue_proves_nothing_for_the_assignment_of_another(edge: Edge) -> None:
    for number in (1, 2):
        await edge.post("/api/events", {"type": "ISSUE_APPROVED", "repo": "acme/app", "issueNumber": number})
    _, claimed = await edge.post("/api/assignments/claim", {"agentId": "a"})
    lease = claimed["lease"]
    stolen = {
        "type": "ISSUE_ASSIGNED",
        "repo": "acme/app",
        "issueNumber": 2,
        "agentId": "a",
        "leaseId": lease["id"],
        "fence": 1,
    }
    status, refused = await edge.post("/api/events", stolen)
    assert (status, refused["code"]) == (409, "stale_lease")
    _, results = await edge.post("/api/events/batch", [stolen])
    assert results[0]["code"] == "stale_lease"
    _, done = await edge.post(f"/api/leases/{lease['id']}/complete", {"agentId": "a", "fence": 1})
    assert done["streamId"] == "acme/app#1"
