"""Long polls: no change between a look and the wait is missed, a daemon that stops holds nobody, and nothing is kept of them."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote

import pytest

from rig.bus.bus import Bus
from rig.http import longpoll
from rig.http.ask import Ask
from tests.http.edge import Edge
from tests.http.test_attention import ISSUE, asked, holder
from tests.http.test_reviews import in_review

ROW = ("default", "issues", "x")


async def test_a_change_that_comes_while_it_looks_is_not_missed() -> None:
    bus = Bus(lambda tenant: 0, lambda *row: None)
    state = {"x": "open"}
    looks: list[str] = []

    async def look() -> str:
        found = state["x"]
        looks.append(found)
        if len(looks) == 1:  # what was read is old already when the look is over
            state["x"] = "settled"
            bus.publish([], {ROW: None})
            await asyncio.sleep(0.01)
        return found

    ask = cast(Ask, SimpleNamespace(deps=SimpleNamespace(bus=bus), call=SimpleNamespace(tenant="default")))
    async with asyncio.timeout(5):
        assert await longpoll.until(ask, look, lambda found: found == "settled", ("issues", "x"), wait=60) == "settled"
    assert looks == ["open", "settled"]


async def claim(edge: Edge) -> tuple[int, Any]:
    return await edge.post("/api/assignments/claim?wait=60", {"agentId": "b"})


async def next_assignment(edge: Edge) -> tuple[int, Any]:
    return await edge.get("/api/assignments/next?agentId=b&wait=60")


async def next_review(edge: Edge) -> tuple[int, Any]:
    return await edge.get("/api/reviews/next?agentId=b&wait=60")


async def question(edge: Edge) -> tuple[int, Any]:
    key = await asked(edge, await holder(edge))
    status, body = await edge.get(f"/api/v1/questions/{key}?wait=60")
    return status, body["state"]


async def steer(edge: Edge) -> tuple[int, Any]:
    await holder(edge)
    status, body = await edge.post(f"/api/v1/issues/{quote(ISSUE, safe='')}/steer?wait=60", {"message": "Look left."})
    return status, body["status"]


POLLS = [
    (claim, (204, None)),
    (next_assignment, (204, None)),
    (next_review, (204, None)),
    (question, (200, "open")),
    (steer, (200, "queued")),
]


async def until_it_waits(edge: Edge, polling: "asyncio.Task[Any]") -> None:
    async with asyncio.timeout(5):
        while not edge.deps.bus.listeners.waiting:
            assert not polling.done(), polling.result()
            await asyncio.sleep(0.01)


@pytest.mark.rule("I32")
@pytest.mark.parametrize(("poll", "answer"), POLLS)
async def test_a_daemon_that_stops_answers_at_once_and_keeps_nothing(
    edge: Edge, poll: Callable[[Edge], Awaitable[Any]], answer: tuple[int, Any]
) -> None:
    polling = asyncio.ensure_future(poll(edge))
    await until_it_waits(edge, polling)
    edge.deps.bus.close()
    assert await asyncio.wait_for(polling, 5) == answer
    assert edge.deps.bus.listeners.waiting == {}


async def test_a_claim_that_waited_takes_no_work_of_a_daemon_that_stops(edge: Edge) -> None:
    lease = await holder(edge)
    failed = {"agentId": "a", "fence": lease["fence"], "reason": "gave up"}
    assert (await edge.post(f"/api/leases/{lease['id']}/fail", failed))[0] == 200
    polling = asyncio.ensure_future(claim(edge))
    await until_it_waits(edge, polling)
    edge.clock.advance(3600)  # it would be handed out now, if anybody looked
    edge.deps.bus.close()
    assert await asyncio.wait_for(polling, 5) == (204, None)
    assert (await edge.get("/api/assignments/next?agentId=b"))[0] == 200


async def test_nothing_is_kept_of_polls_that_are_over(edge: Edge) -> None:
    await in_review(edge, 1)
    for number in range(20):
        assert (await edge.get(f"/api/assignments/next?agentId=agent-{number}"))[0] == 204
        assert (await edge.get(f"/api/v1/questions/no-{number}"))[0] == 404
    assert (await edge.get("/api/reviews/next"))[0] == 200
    assert edge.deps.bus.listeners.waiting == {}
