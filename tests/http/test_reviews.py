"""Who reviews what: ``GET /api/reviews/next`` and REVIEW_ASSIGNED (0.18)."""

import asyncio
from typing import Any

from rig.model.tables import ISSUES
from tests.http.edge import Edge


async def post(edge: Edge, type_: str, number: int, **more: Any) -> Any:
    status, body = await edge.post("/api/events", {"type": type_, "repo": "acme/web", "issueNumber": number, **more})
    assert status == 200
    return body


async def in_review(edge: Edge, number: int, author: str = "author", priority: str = "normal") -> None:
    await post(edge, "ISSUE_APPROVED", number, title=f"Issue {number}", priority=priority)
    await post(edge, "WORK_STARTED", number, agentId=author)
    await post(edge, "PR_CREATED", number, prNumber=100 + number, prUrl=f"https://example.invalid/{number}", agentId=author)


async def test_the_next_review_has_the_shape_of_an_assignment_with_its_pull_request(edge: Edge) -> None:
    assert (await edge.get("/api/reviews/next?agentId=rev"))[0] == 204
    await in_review(edge, 1)
    assert await edge.get("/api/reviews/next?agentId=rev") == (
        200,
        {
            "streamId": "acme/web#1",
            "issue": {"number": 1, "repo": "acme/web", "title": "Issue 1", "milestone": None},
            "priority": "normal",
            "attempt": 1,
            "prNumber": 101,
            "prUrl": "https://example.invalid/1",
        },
    )


async def test_reading_claims_nothing_and_the_first_who_is_assigned_has_it(edge: Edge) -> None:
    await in_review(edge, 1)
    for reviewer in ("one", "two"):
        assert (await edge.get(f"/api/reviews/next?agentId={reviewer}"))[1]["streamId"] == "acme/web#1"
    first, second = [await post(edge, "REVIEW_ASSIGNED", 1, agentId=agent, prNumber=101) for agent in ("one", "two")]
    assert "applied" not in first
    assert (second["applied"], second["reason"]) == (False, "one reviews it already")
    assert (await edge.get("/api/reviews/next?agentId=two"))[0] == 204
    row = edge.store.get(ISSUES, "default", "acme/web#1")
    assert row is not None
    assert row.reviewer == "one"


async def test_reviews_come_by_priority_then_by_age_and_never_to_their_author(edge: Edge) -> None:
    await in_review(edge, 1, author="ada")
    await in_review(edge, 2)
    await in_review(edge, 3, author="ada", priority="critical")
    got = []
    for agent in ("ada", "bob", "bob"):
        _, body = await edge.get(f"/api/reviews/next?agentId={agent}")
        got.append(body["issue"]["number"])
        await post(edge, "REVIEW_ASSIGNED", got[-1], agentId=agent)
    assert got == [2, 3, 1]


async def test_what_has_a_verdict_or_left_review_is_not_offered_and_a_new_pull_request_is(edge: Edge) -> None:
    await in_review(edge, 1)
    await post(edge, "REVIEW_ASSIGNED", 1, agentId="rev")
    await post(edge, "PR_CREATED", 1, prNumber=101)  # told again by another source
    assert (await edge.get("/api/reviews/next"))[0] == 204
    await post(edge, "CHANGES_REQUESTED", 1, prNumber=101)
    assert (await edge.get("/api/reviews/next"))[0] == 204
    await post(edge, "PR_CREATED", 1, prNumber=102)
    assert (await edge.get("/api/reviews/next"))[1]["prNumber"] == 102
    await post(edge, "REVIEW_PASSED", 1, prNumber=102)
    assert (await edge.get("/api/reviews/next"))[0] == 204


async def test_a_review_can_be_waited_for(edge: Edge) -> None:
    waiting = asyncio.ensure_future(edge.get("/api/reviews/next?agentId=rev&wait=30"))
    await asyncio.sleep(0.05)
    await in_review(edge, 1)
    async with asyncio.timeout(5):
        assert (await waiting)[1]["streamId"] == "acme/web#1"
    assert (await edge.get("/api/reviews/next?wait=61"))[0] == 400
