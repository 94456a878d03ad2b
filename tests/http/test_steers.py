"""Saying something to an agent at work, over HTTP."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from rig.model.tables import ISSUES, STEERS
from tests.http.edge import Edge
from tests.http.test_attention import ISSUE, heartbeat, holder

PATH = f"/api/v1/issues/{quote(ISSUE, safe='')}/steer"


async def steer(edge: Edge, message: Any, path: str = PATH, **headers: str) -> tuple[int, Any]:
    return await edge.post(f"{path}?wait=0", {"message": message}, headers=headers)


def waiting(edge: Edge) -> tuple[str, ...]:
    row = edge.store.get(ISSUES, "default", ISSUE)
    return row.steers if row is not None else ()


async def types(edge: Edge) -> list[str]:
    _, trace = await edge.get(f"/api/issues/{quote(ISSUE, safe='')}/trace")
    return [event["type"] for event in trace["events"] if event["type"].startswith("steer")]


async def test_an_agent_learns_by_its_heartbeat_what_people_say(edge: Edge) -> None:
    lease = await holder(edge)
    status, body = await steer(edge, "Look left.", path=f"/api/v1/{quote(ISSUE, safe='')}/steer")
    assert (status, body) == (200, {"ok": True, "status": "queued", "steer_id": body["steer_id"], "reason": None})
    (message,) = (await heartbeat(edge, lease))[1]["messages"]
    assert (message["type"], message["message"], message["questionId"]) == ("steer", "Look left.", None)
    assert (await heartbeat(edge, lease))[1]["messages"] == [message]  # until a later one says that it came
    assert waiting(edge) == (body["steer_id"],)
    await heartbeat(edge, lease, after=message["id"])
    assert (await heartbeat(edge, lease))[1]["messages"] == []
    assert (waiting(edge), await types(edge)) == ((), ["steer_requested", "steer_delivered"])
    row = edge.store.get(STEERS, "default", body["steer_id"])
    assert row is not None
    assert (row.state, row.requested_by) == ("delivered", "local")


async def test_a_word_that_reached_nobody_is_told_under_the_next_lease(edge: Edge) -> None:
    lease = await holder(edge)
    await steer(edge, "Look left.")
    body = {"agentId": "a", "fence": lease["fence"], "reason": "gave up"}
    await edge.post(f"/api/leases/{lease['id']}/fail", body)
    edge.clock.advance(20)
    status, claimed = await edge.post("/api/assignments/claim", {"agentId": "a"})
    assert status == 200
    (message,) = (await heartbeat(edge, claimed["lease"]))[1]["messages"]
    assert message["message"] == "Look left."
    assert (await heartbeat(edge, claimed["lease"], after=message["id"] - 1))[1]["messages"] == [message]
    await heartbeat(edge, claimed["lease"], after=message["id"])
    assert waiting(edge) == ()


async def test_a_repeat_with_its_key_says_it_once_and_tells_how_it_stands_now(edge: Edge) -> None:
    lease = await holder(edge)
    key = {"Idempotency-Key": "k-1"}
    first = await steer(edge, "Look left.", **key)
    assert first[1]["status"] == "queued"
    (message,) = (await heartbeat(edge, lease))[1]["messages"]
    await heartbeat(edge, lease, after=message["id"])
    again = await steer(edge, "Look left.", **key)
    assert again == (200, {**first[1], "status": "delivered"})
    assert await types(edge) == ["steer_requested", "steer_delivered"]
    assert (await steer(edge, "Look right.", **key))[0] == 422
    body = {"agentId": "a", "fence": lease["fence"]}
    await edge.post(f"/api/leases/{lease['id']}/complete", body)
    assert (await steer(edge, "Look left.", **key))[1]["status"] == "delivered"
    assert (await steer(edge, "Look left."))[0] == 409


async def test_twins_say_it_once(edge: Edge) -> None:
    await holder(edge)
    both = await asyncio.gather(*(steer(edge, "Look left.", **{"Idempotency-Key": "k-1"}) for _ in range(2)))
    assert both[0] == both[1]
    assert (both[0][0], await types(edge)) == (200, ["steer_requested"])


async def test_the_answer_waits_until_the_agent_has_it_or_its_work_has_ended(edge: Edge) -> None:
    lease = await holder(edge)
    asking = asyncio.create_task(edge.post(f"{PATH}?wait=20", {"message": "Look left."}))
    while not waiting(edge):
        await asyncio.sleep(0.01)
    await edge.post(f"/api/leases/{lease['id']}/complete", {"agentId": "a", "fence": lease["fence"]})
    status, body = await asyncio.wait_for(asking, 5)
    assert (status, body["ok"], body["status"]) == (200, False, "rejected")
    assert body["reason"] == "the work ended before it reached the agent"


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("x", 200),
        (" ", 200),
        ("x" * 10_000, 200),
        ("\x1b[2J{{ issue }} $(reboot) --help", 200),
        ("", 400),
        ("x" * 10_001, 400),
        ("x" * 1_000_000, 413),
        (None, 400),
        (7, 400),
        ("nul\x00", 400),
    ],
)
async def test_what_may_be_said_is_a_text_of_a_length(edge: Edge, message: Any, status: int) -> None:
    lease = await holder(edge)
    assert (await steer(edge, message))[0] == status
    if status == 200:
        (told,) = (await heartbeat(edge, lease))[1]["messages"]
        assert told["message"] == message


@pytest.mark.parametrize(
    "path", ["/api/v1/issues/acme%2Fweb%2399/steer", "/api/v1/ENG-99/steer", "/api/v1/issues/nothing/steer"]
)
async def test_an_issue_that_is_not_known_is_404(edge: Edge, path: str) -> None:
    assert (await steer(edge, "Look left.", path=path))[0] == 404


async def test_an_issue_that_nobody_works_on_is_409(edge: Edge) -> None:
    await edge.approve(42)
    status, body = await steer(edge, "Look left.")
    assert (status, body["error"]["code"]) == (409, "conflict")
    assert "no agent is at work" in body["error"]["message"]
    assert await types(edge) == []
