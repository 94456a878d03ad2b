"""The rules of the queue and of what is handed out (R0-26 … R0-32)."""

import asyncio
from typing import Any

import pytest

from tests.http.edge import Edge


async def post(edge: Edge, type_: str, number: int = 1, **more: Any) -> int:
    status, _ = await edge.post("/api/events", {"type": type_, "repo": "acme/web", "issueNumber": number, **more})
    return status


async def queue(edge: Edge) -> list[int]:
    _, rows = await edge.get("/api/queue")
    return [row["issue"]["number"] for row in rows]


async def issue(edge: Edge, number: int = 1) -> dict[str, Any]:
    _, rows = await edge.get("/api/issues")
    return next(row for row in rows if row["issueNumber"] == number)


@pytest.mark.rule("R0-26")
async def test_every_state_of_rig_is_shown_as_one_of_the_seven(edge: Edge) -> None:
    seven = {"queued", "assigned", "in_progress", "in_review", "deploying", "done", "failed"}
    stories = (
        (),
        ("ISSUE_ASSIGNED",),
        ("WORK_STARTED",),
        ("PR_CREATED",),
        ("MERGED",),
        ("ISSUE_DONE",),
        ("ESCALATED",),
        ("ISSUE_CANCELLED",),
    )
    for number, story in enumerate(stories, 1):
        for type_ in ("ISSUE_APPROVED", *story):
            assert await post(edge, type_, number, agentId="a") == 200
    _, rows = await edge.get("/api/issues")
    assert {row["state"] for row in rows} == seven
    assert [row["cancelled"] for row in rows] == [False] * 7 + [True]
    for state in seven:
        _, found = await edge.get(f"/api/issues?state={state}")
        assert {row["state"] for row in found} == {state}
    assert (await edge.get("/api/issues?state=blocked"))[0] == 400


@pytest.mark.rule("R0-27", "R0-28")
async def test_the_queue_is_by_priority_then_by_age_without_what_is_assigned(edge: Edge) -> None:
    for number, priority in enumerate(("low", "normal", "critical", "high", "normal", "critical"), 1):
        await post(edge, "ISSUE_APPROVED", number, priority=priority)
    assert await queue(edge) == [3, 6, 4, 2, 5, 1]
    await post(edge, "ISSUE_ASSIGNED", 3, agentId="a")
    assert await queue(edge) == [6, 4, 2, 5, 1]
    assert (await edge.get("/api/assignments/next"))[1]["issue"]["number"] == 6


@pytest.mark.rule("R0-29")
async def test_looking_does_not_claim(edge: Edge) -> None:
    await post(edge, "ISSUE_APPROVED")
    for _ in range(3):
        assert (await edge.get("/api/assignments/next?agentId=a"))[0] == 200
    assert (await issue(edge))["state"] == "queued"
    assert (await edge.post("/api/assignments/claim", {"agentId": "a"}))[0] == 200
    assert (await edge.post("/api/assignments/claim", {"agentId": "b"}))[0] == 204


@pytest.mark.rule("R0-30")
async def test_every_dependency_must_be_done_in_whatever_order(edge: Edge) -> None:
    await post(edge, "ISSUE_APPROVED", 1, dependsOn=[2, "acme/web#3", "other/repo#9"])
    for number in (2, 3):
        await post(edge, "ISSUE_APPROVED", number)
    status, _ = await edge.post("/api/events", {"type": "ISSUE_APPROVED", "repo": "other/repo", "issueNumber": 9})
    assert status == 200
    for number, repo in ((3, "acme/web"), (9, "other/repo")):
        assert 1 not in await queue(edge)
        await edge.post("/api/events", {"type": "ISSUE_DONE", "repo": repo, "issueNumber": number})
    assert 1 not in await queue(edge)
    await post(edge, "ISSUE_CANCELLED", 2)  # which is not done
    assert 1 not in await queue(edge)
    await post(edge, "ISSUE_APPROVED", 2)
    await post(edge, "ISSUE_DONE", 2)
    assert await queue(edge) == [1]


@pytest.mark.rule("R0-30")
async def test_a_cycle_is_shown_in_the_list_and_holds_up_nobody_else(edge: Edge) -> None:
    await post(edge, "ISSUE_APPROVED", 1, dependsOn=[2])
    await post(edge, "ISSUE_APPROVED", 2, dependsOn=[3])
    await post(edge, "ISSUE_APPROVED", 3, dependsOn=[1])
    await post(edge, "ISSUE_APPROVED", 4, dependsOn=[3])
    await post(edge, "ISSUE_APPROVED", 5)
    assert await queue(edge) == [5]
    names = [f"acme/web#{n}" for n in (1, 2, 3, 1)]
    assert (await issue(edge, 1))["cycle"] == names
    assert (await issue(edge, 3))["cycle"] == ["acme/web#3", "acme/web#1", "acme/web#2", "acme/web#3"]
    assert ((await issue(edge, 4))["cycle"], (await issue(edge, 5))["cycle"]) == ([], [])
    async with asyncio.timeout(5):
        assert (await edge.post("/api/assignments/claim", {"agentId": "a"}))[1]["issue"]["number"] == 5
        assert (await edge.post("/api/assignments/claim", {"agentId": "a"}))[0] == 204
    await post(edge, "ISSUE_APPROVED", 2, dependsOn=[])
    assert [(await issue(edge, n))["cycle"] for n in (1, 2, 3)] == [[], [], []]
    assert await queue(edge) == [2]


@pytest.mark.rule("R0-30")
async def test_an_issue_cannot_depend_on_itself(edge: Edge) -> None:
    for itself in (1, "acme/web#1"):
        assert await post(edge, "ISSUE_APPROVED", 1, dependsOn=[itself]) == 422
    assert await queue(edge) == []


@pytest.mark.rule("R0-31")
@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("CRITICAL", "critical"),
        ("High", "high"),
        (" low ", "low"),
        ("urgent", "normal"),
        ("", "normal"),
        (None, "normal"),
        (1, "critical"),
    ],
)
async def test_a_priority_is_read_in_any_letter_case_and_unknown_text_is_normal(edge: Edge, given: Any, shown: str) -> None:
    assert await post(edge, "ISSUE_APPROVED", priority=given) == 200
    assert (await issue(edge))["priority"] == shown


@pytest.mark.rule("R0-32")
async def test_approval_and_unassignment_put_an_issue_behind_those_that_wait(edge: Edge) -> None:
    for number in (1, 2, 3):
        await post(edge, "ISSUE_APPROVED", number)
    first = (await issue(edge))["queuedAt"]
    edge.clock.advance(60)
    await post(edge, "ISSUE_APPROVED", 1)
    again = await issue(edge)
    assert (await queue(edge), again["queuedAt"] > first, again["attempt"]) == ([2, 3, 1], True, 1)
    await post(edge, "ISSUE_ASSIGNED", 2, agentId="a")
    edge.clock.advance(60)
    await post(edge, "ISSUE_UNASSIGNED", 2, agentId="a")
    handed_back = await issue(edge, 2)
    assert (await queue(edge), handed_back["queuedAt"] > again["queuedAt"], handed_back["attempt"]) == ([3, 1, 2], True, 2)


@pytest.mark.rule("R0-28")
@pytest.mark.parametrize("claims", [False, True])
async def test_next_and_claim_wait_for_work_as_long_as_they_are_told(edge: Edge, claims: bool) -> None:
    async def ask(wait: int) -> tuple[int, Any]:
        if claims:
            return await edge.post(f"/api/assignments/claim?wait={wait}", {"agentId": "a"})
        return await edge.get(f"/api/assignments/next?agentId=a&wait={wait}")

    assert await ask(0) == (204, None)
    waiting = asyncio.ensure_future(ask(30))
    await asyncio.sleep(0.05)
    await post(edge, "ISSUE_APPROVED", 1, dependsOn=[2])
    await post(edge, "ISSUE_APPROVED", 2)
    async with asyncio.timeout(5):
        status, body = await waiting
    assert (status, body["issue"]["number"]) == (200, 2)
