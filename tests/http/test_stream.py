"""The event stream: exactly the slice, in order, whatever is cut (I15–I18)."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from rig.http.routes import stream
from rig.model.events import NewEvent, encode
from rig.store.units import Unit
from tests.http.edge import Edge, MakeEdge


@dataclass
class Frame:
    event: str
    id: int | None
    data: Any


async def frames(response: aiohttp.ClientResponse) -> AsyncIterator[Frame]:
    """Frames with data, until the stream ends or breaks."""
    while True:
        try:
            block = await response.content.readuntil(b"\n\n")
        except (aiohttp.ClientError, asyncio.IncompleteReadError):
            return
        if not block.endswith(b"\n\n"):
            return
        fields = dict(line.split(": ", 1) for line in block.decode().strip().split("\n") if not line.startswith(":"))
        if "data" in fields:
            yield Frame(fields["event"], int(fields["id"]) if "id" in fields else None, json.loads(fields["data"]))


async def heartbeats(edge: Edge, count: int, agent: str = "a") -> None:
    events = tuple(NewEvent(agent, "heartbeat", encode({"agentId": agent, "n": n})) for n in range(count))
    await edge.store.commit(Unit("default", events))


async def take(edge: Edge, path: str, count: int, headers: dict[str, str] | None = None) -> list[Frame]:
    """The first frames of a stream."""
    found: list[Frame] = []
    async with asyncio.timeout(10), edge.client.get(path, headers=headers) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        async for frame in frames(response):
            found.append(frame)
            if len(found) == count:
                break
    return found


async def test_a_frame_is_as_the_conventions_say(edge: Edge) -> None:
    await edge.approve(1)
    (frame,) = await take(edge, "/api/v1/events?since=0", 1)
    assert (frame.id, frame.event) == (1, "issue_approved")
    assert list(frame.data) == ["sequence", "streamId", "version", "type", "at", "data", "tenant", "traceId"]
    assert (frame.data["streamId"], frame.data["tenant"], frame.data["version"]) == ("acme/web#1", "default", 1)
    assert frame.data["data"]["title"] == "Issue 1"


async def test_without_a_cursor_the_stream_starts_now(edge: Edge) -> None:
    await heartbeats(edge, 3)
    async with asyncio.timeout(5), edge.client.get("/api/v1/events") as response:
        await response.content.readuntil(b"\n\n")
        await heartbeats(edge, 1)
        frame = await anext(frames(response))
    assert frame.id == 4


async def test_any_chain_of_cuts_is_exactly_the_slice(make_edge: MakeEdge) -> None:
    """I15, A7: readers are cut at random while events are posted, and the ring is far smaller than the log."""
    edge = await make_edge(bus={"max_frames": 200})
    total, rng, got = 2000, random.Random(7), list[int]()

    async def write() -> None:
        for _ in range(total // 20):
            await heartbeats(edge, 20)
            await asyncio.sleep(0)

    writer = asyncio.ensure_future(write())
    async with asyncio.timeout(20):
        while len(got) < total:
            headers = {"Last-Event-ID": str(got[-1])} if got else {}
            async with edge.client.get("/api/v1/events?since=0", headers=headers) as response:
                cut = rng.randrange(1, 300)
                async for frame in frames(response):
                    if frame.event == "gap":
                        assert frame.data["sequence"] == (got[-1] if got else 0)
                        break
                    assert frame.id is not None
                    got.append(frame.id)
                    cut -= 1
                    if not cut or len(got) == total:
                        break
    await writer
    assert got == list(range(1, total + 1))


async def test_a_list_and_a_stream_from_its_as_of_have_no_gap_and_no_repeat(edge: Edge) -> None:
    async def write() -> None:
        for number in range(1, 61):
            await edge.approve(number)
            await asyncio.sleep(0.001)

    writer = asyncio.ensure_future(write())
    await asyncio.sleep(0.02)
    async with edge.client.get("/api/issues?limit=500") as response:
        listed = [i["streamId"] for i in await response.json()]
        as_of = int(response.headers["X-Rig-As-Of"])
    streamed = await take(edge, f"/api/v1/events?since={as_of}", 60 - as_of)
    await writer
    assert sorted([*listed, *(f.data["streamId"] for f in streamed)]) == sorted(f"acme/web#{n}" for n in range(1, 61))


async def test_topics_and_ids_choose(edge: Edge) -> None:
    await edge.approve(1, 2)
    await heartbeats(edge, 1)
    by_type = await take(edge, "/api/v1/events?since=0&topics=HEARTBEAT", 1)
    by_family = await take(edge, "/api/v1/events?since=0&topics=issue", 2)
    by_id = await take(edge, "/api/v1/events?since=0&id=acme%2Fweb%232", 1)
    assert [f.id for f in by_type + by_family + by_id] == [3, 1, 2, 2]


@pytest.mark.parametrize(
    ("query", "header", "status", "code"),
    [
        ("since=x", None, 400, "bad_cursor"),
        ("since=-1", None, 400, "bad_cursor"),
        ("since=" + "9" * 30, None, 400, "bad_cursor"),
        ("since=4", None, 400, "bad_cursor"),
        ("", "4", 400, "bad_cursor"),
        ("", "1; drop", 400, "bad_cursor"),
        ("since=3", None, 200, None),
        ("since=0", "3", 200, None),
        ("topics=nonsense", None, 400, "bad_request"),
        ("views=secrets", None, 400, "bad_request"),
    ],
)
async def test_a_cursor_that_is_none_is_400(edge: Edge, query: str, header: str | None, status: int, code: str | None) -> None:
    """I16."""
    await heartbeats(edge, 3)
    headers = {"Last-Event-ID": header} if header else {}
    async with edge.client.get(f"/api/v1/events?{query}", headers=headers) as response:
        assert response.status == status
        if code is not None:
            assert (await response.json())["error"]["code"] == code


async def test_a_cursor_older_than_the_log_is_410(make_edge: MakeEdge, monkeypatch: pytest.MonkeyPatch) -> None:
    """I16."""
    edge = await make_edge(bus={"max_frames": 10})
    for _ in range(5):
        await heartbeats(edge, 10)
    read = edge.store.read

    async def without_the_first(job: Any) -> Any:
        found = await read(job)
        return found[5:] if isinstance(found, list) and found and found[0].sequence == 1 else found

    monkeypatch.setattr(edge.store, "read", without_the_first)
    async with edge.client.get("/api/v1/events?since=0") as response:
        assert (response.status, (await response.json())["error"]["code"]) == (410, "cursor_too_old")


async def test_a_reader_that_falls_behind_gets_a_gap_and_can_go_on_from_it(
    make_edge: MakeEdge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I17: what waits for it is bounded by the ring, and nothing is lost to a client that resumes."""
    edge = await make_edge(bus={"max_frames": 50})
    writing = asyncio.Event()
    write = stream.Reader._write

    async def slow(response: Any, data: bytes) -> None:
        if b"heartbeat\ndata" in data:
            await writing.wait()
        await write(response, data)

    monkeypatch.setattr(stream.Reader, "_write", staticmethod(slow))
    async with asyncio.timeout(10), edge.client.get("/api/v1/events?since=0") as response:
        await response.content.readuntil(b"\n\n")
        for _ in range(10):
            await heartbeats(edge, 30)
            await asyncio.sleep(0.03)
        writing.set()
        got = [frame async for frame in frames(response)]
    assert got[-1].event == "gap"
    seen = [f.id for f in got[:-1]]
    assert seen == list(range(1, len(seen) + 1))
    assert got[-1].data == {"sequence": seen[-1]}
    assert len(edge.deps.bus.ring("default")._entries) <= 60
    rest = await take(edge, f"/api/v1/events?since={seen[-1]}", 300 - len(seen))
    assert [f.id for f in rest] == list(range(len(seen) + 1, 301))


async def test_changed_rows_come_as_their_lists_show_them(edge: Edge) -> None:
    async with asyncio.timeout(5), edge.client.get("/api/v1/events?views=issues,queue,agents,jobs") as response:
        await response.content.readuntil(b"\n\n")
        await edge.approve(1)
        await edge.post("/api/assignments/claim", {"agentId": "a"})
        rows: dict[tuple[str, str], Any] = {}
        last = 0
        async for frame in frames(response):
            if frame.event == "row":
                rows[frame.data["view"], frame.data["key"]] = frame.data["row"]
                last = frame.data["sequence"]
                assert frame.id is None
                if frame.data["view"] == "agents":
                    break
            else:
                assert frame.id is not None
    _, issues = await edge.get("/api/issues")
    _, agents = await edge.get("/api/agents")
    assert rows["issues", "acme/web#1"] == issues[0]
    assert rows["agents", "a"] == agents[0]
    assert last == issues[0]["lastEventSequence"]


async def test_a_replay_longer_than_the_ring_says_that_rows_were_missed(make_edge: MakeEdge) -> None:
    edge = await make_edge(bus={"max_frames": 10})
    for _ in range(5):
        await heartbeats(edge, 10)
    found = await take(edge, "/api/v1/events?since=0&views=agents", 51)
    assert [f.id for f in found[:-1]] == list(range(1, 51))
    assert (found[-1].event, found[-1].data) == ("gap", {"sequence": 50, "views": ["agents"]})


async def test_silence_is_broken_by_a_comment(make_edge: MakeEdge) -> None:
    edge = await make_edge(heartbeat=0.05)
    async with asyncio.timeout(5), edge.client.get("/api/v1/events") as response:
        await response.content.readuntil(b"\n\n")
        assert await response.content.readuntil(b"\n\n") == b": heartbeat\n\n"


async def test_streams_end_when_the_daemon_drains(edge: Edge) -> None:
    """I32."""
    async with asyncio.timeout(5), edge.client.get("/api/v1/events") as response:
        await response.content.readuntil(b"\n\n")
        edge.deps.bus.close()
        assert await response.content.read() == b""


async def test_readers_at_the_same_place_share_their_bytes(edge: Edge) -> None:
    responses = [await edge.client.get("/api/v1/events?since=0") for _ in range(5)]
    await heartbeats(edge, 30)
    for response in responses:
        got = [(await anext(frames(response))).id for _ in range(30)]
        assert got == list(range(1, 31))
        response.close()
    assert edge.deps.bus.ring("default").newest == 30


async def test_a_queued_issue_that_is_blocked_is_no_row_of_the_queue(edge: Edge) -> None:
    """The queue lists what may be handed out (R0-30), and its frames say the same."""
    async with asyncio.timeout(5), edge.client.get("/api/v1/events?views=queue") as response:
        await response.content.readuntil(b"\n\n")
        await edge.approve(1)
        await edge.approve(2, dependsOn=["acme/web#1"])
        rows: dict[str, Any] = {}
        async for frame in frames(response):
            if frame.event == "row":
                rows[frame.data["key"]] = frame.data["row"]
                if len(rows) == 2:
                    break
    _, queue = await edge.get("/api/queue")
    assert [row for row in rows.values() if row is not None] == queue
    assert rows["acme/web#2"] is None
