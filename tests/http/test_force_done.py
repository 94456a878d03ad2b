"""Force-done, and the guard that it bypasses (R0-59 … R0-62)."""

from typing import Any

import pytest

from tests.http.edge import Edge

PATH = "/api/admin/issues/force-done?repo=acme%2Fweb&issueNumber=1"


async def post(edge: Edge, type_: str, number: int = 1, **more: Any) -> dict[str, Any]:
    status, body = await edge.post("/api/events", {"type": type_, "repo": "acme/web", "issueNumber": number, **more})
    assert status == 200
    answer: dict[str, Any] = body
    return answer


async def state(edge: Edge, number: int = 1) -> str:
    _, body = await edge.get(f"/api/issues/trace?repo=acme/web&issueNumber={number}")
    return str(body["currentState"])


async def last(edge: Edge) -> dict[str, Any]:
    _, body = await edge.get("/api/issues/trace?repo=acme/web&issueNumber=1")
    event: dict[str, Any] = body["events"][-1]
    return event


@pytest.mark.rule("R0-59")
@pytest.mark.parametrize("before", ["queued", "assigned", "in_progress", "in_review", "deploying", "failed"])
async def test_a_query_alone_is_enough_in_every_state(edge: Edge, before: str) -> None:
    await post(edge, "ISSUE_APPROVED")
    types = {"queued": (), "assigned": ("ISSUE_ASSIGNED",), "in_progress": ("WORK_STARTED",), "in_review": ("PR_CREATED",)}
    for type_ in {**types, "deploying": ("MERGED",), "failed": ("ESCALATED",)}[before]:
        await post(edge, type_, agentId="a")
    async with edge.client.post(PATH) as response:
        assert response.status == 200
        assert await response.json() == {"forcedDone": True, "previousState": before, "repo": "acme/web", "issueNumber": 1}
    assert await state(edge) == "done"


@pytest.mark.rule("R0-59")
@pytest.mark.parametrize(
    ("query", "body", "reason"),
    [
        ("&reason=tidied%20by%20hand", None, "tidied by hand"),
        ("", {"reason": "gave up"}, "gave up"),
        ("", {}, None),
        ("", None, None),
    ],
)
async def test_the_reason_is_in_the_audited_event(edge: Edge, query: str, body: Any, reason: str | None) -> None:
    await post(edge, "ISSUE_APPROVED")
    async with edge.client.post(PATH + query, json=body) if body is not None else edge.client.post(PATH + query) as response:
        assert response.status == 200
    event = await last(edge)
    assert event["type"] == "issue_forced_done"
    assert event["data"].get("reason") == reason
    with edge.store.snapshot() as snapshot:
        envelope = snapshot.stream("default", "acme/web#1")[-1]
    assert (envelope.principal, envelope.operation, len(envelope.request_id)) == ("local", "force_done", 32)


@pytest.mark.rule("R0-60")
async def test_what_is_done_already_stays_as_it_is(edge: Edge) -> None:
    await post(edge, "ISSUE_APPROVED")
    await post(edge, "ISSUE_DONE")
    before = await last(edge)
    async with edge.client.post(PATH) as response:
        assert (response.status, await response.json()) == (
            200,
            {"alreadyDone": True, "state": "done", "repo": "acme/web", "issueNumber": 1},
        )
    assert await last(edge) == before


@pytest.mark.rule("R0-61")
async def test_what_is_not_tracked_is_404_and_what_is_not_named_400(edge: Edge) -> None:
    status, body = await edge.post(PATH)
    assert (status, body["error"]) == (404, "Issue acme/web#1 not found in conductor")
    for bad in ("", "repo=acme/web", "issueNumber=1", "repo=acme/web&issueNumber=0", "repo=acme&issueNumber=1"):
        assert (await edge.post(f"/api/admin/issues/force-done?{bad}"))[0] == 400
    await post(edge, "ISSUE_APPROVED")
    assert (await edge.post(PATH, {"reason": 7}))[0] == 400
    assert (await edge.post(PATH, {"force": True}))[0] == 400
    assert await state(edge) == "queued"


@pytest.mark.rule("R0-62")
async def test_an_epic_is_not_done_before_its_sub_issues_unless_it_is_forced(edge: Edge) -> None:
    await post(edge, "ISSUE_APPROVED", 1)
    for number in (2, 3):
        await post(edge, "ISSUE_APPROVED", number, parent=1)
    answer = await post(edge, "ISSUE_DONE", 1)
    assert (answer["applied"], answer["reason"]) == (False, "the epic has 2 open sub-issues")
    event = await last(edge)
    assert (event["applied"], event["reason"]) == (False, "the epic has 2 open sub-issues")
    await post(edge, "ISSUE_DONE", 2)
    assert (await post(edge, "ISSUE_DONE", 1))["reason"] == "the epic has 1 open sub-issue"
    assert (await edge.post(PATH))[1]["previousState"] == "queued"
    assert (await state(edge, 1), await state(edge, 3)) == ("done", "queued")


@pytest.mark.rule("R0-62")
async def test_sub_issues_of_sub_issues_are_counted_step_by_step(edge: Edge) -> None:
    await post(edge, "ISSUE_APPROVED", 1)
    await post(edge, "ISSUE_APPROVED", 2, parent=1)
    await post(edge, "ISSUE_APPROVED", 3, parent="acme/web#2")
    for number in (1, 2):
        assert (await post(edge, "ISSUE_DONE", number))["applied"] is False
    for number in (3, 2, 1):
        assert "applied" not in await post(edge, "ISSUE_DONE", number)
    assert [await state(edge, n) for n in (1, 2, 3)] == ["done"] * 3


@pytest.mark.rule("R0-62")
async def test_a_sub_issue_that_is_opened_again_is_open_and_a_cancelled_or_moved_one_is_not(edge: Edge) -> None:
    await post(edge, "ISSUE_APPROVED", 1)
    for number in (2, 3, 4):
        await post(edge, "ISSUE_APPROVED", number, parent=1)
    await post(edge, "ISSUE_DONE", 2)
    await post(edge, "ISSUE_CANCELLED", 3)
    await post(edge, "ISSUE_APPROVED", 4, parent=9)
    await post(edge, "ISSUE_APPROVED", 2)
    assert (await post(edge, "ISSUE_DONE", 1))["reason"] == "the epic has 1 open sub-issue"
    await post(edge, "ISSUE_DONE", 2)
    assert "applied" not in await post(edge, "ISSUE_DONE", 1)


@pytest.mark.rule("R0-62")
async def test_completed_work_on_an_epic_waits_in_review_for_its_sub_issues(make_edge: Any) -> None:
    edge: Edge = await make_edge(deps={"success_state": lambda: "done"})
    await post(edge, "ISSUE_APPROVED", 1)
    await post(edge, "ISSUE_APPROVED", 2, parent=1)
    _, claimed = await edge.post("/api/assignments/claim", {"agentId": "a"})
    lease = claimed["lease"]["id"]
    status, body = await edge.post(f"/api/leases/{lease}/complete", {"agentId": "a", "fence": 1})
    assert (status, body["state"]) == (200, "in_review")
    await post(edge, "ISSUE_DONE", 2)
    assert "applied" not in await post(edge, "ISSUE_DONE", 1)
    assert await state(edge) == "done"
