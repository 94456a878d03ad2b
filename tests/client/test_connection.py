"""The client against the real edge, and against things that are not Rig."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from rig import errors
from rig.client import Client, Frame, Target, until_ready, until_state
from rig.client import connection as connections
from rig.model.events import NewEvent, encode
from rig.store.units import Unit
from tests.http.edge import OPERATOR_TOKEN, Edge, open_edge


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "RETRY", 0.02)


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    async with open_edge(auth_mode="required", heartbeat=0.2) as edge:
        yield edge


def url_of(edge: Edge) -> str:
    return str(edge.client.make_url("")).rstrip("/")


def connected(edge: Edge, token: str | None = OPERATOR_TOKEN) -> Client:
    return Client(Target(url_of(edge), token))


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def impostor(handler: Handler) -> AsyncIterator[Client]:
    """Something else that listens where Rig was expected."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(app) as server, Client(Target(str(server.make_url("")).rstrip("/")), timeout=0.5) as client:
        yield client


async def test_an_operation_is_called_by_its_name(edge: Edge) -> None:
    async with connected(edge) as client:
        made = await client.call("create_issue", repo="acme/web", issueNumber=7, title="Seven")
        assert made == {"identifier": "acme/web#7", "streamId": "acme/web#7", "state": "queued"}
        trace = await client.call("get_issue_trace", id="acme/web#7")
        assert trace["eventCount"] == 1
        issues, as_of = await client.ask("list_issues", limit=1)
        assert [row["title"] for row in issues] == ["Seven"]
        assert as_of == trace["asOf"] == await client.newest()
        assert await client.call("get_next_assignment") is not None
        assert (await client.call("get_metrics")).startswith("# HELP")


async def test_an_empty_answer_is_none(edge: Edge) -> None:
    async with connected(edge) as client:
        assert await client.call("get_next_assignment") is None


async def test_headers_go_along(edge: Edge) -> None:
    async with connected(edge) as client:
        key = {"Idempotency-Key": "once"}
        first = await client.call("create_issue", identifier="ENG-1", headers=key)
        assert await client.call("create_issue", identifier="ENG-1", headers=key) == first


async def test_the_daemons_refusals_are_the_same_errors_here(edge: Edge) -> None:
    async with connected(edge) as client:
        with pytest.raises(errors.NotFound, match="no event of this issue") as found:
            await client.call("get_issue_trace", id="acme/web#404")
        assert found.value.details["trace_id"]
        with pytest.raises(errors.UnknownEventType):
            await client.call("post_event", type="NOPE")
        with pytest.raises(errors.BadRequest, match="is a stream"):
            await client.call("stream_events")
    async with connected(edge, token=None) as client:
        with pytest.raises(errors.Unauthorized, match="wants a key; RIG_TOKEN is the key to show it"):
            await client.call("list_issues")


async def test_a_token_that_was_found_and_is_another_daemons_is_left_out() -> None:
    async with open_edge() as edge:
        async with Client(Target(url_of(edge), "of-another-daemon", found=True)) as client:
            assert await client.call("list_issues") == []
            assert await client.call("create_issue", identifier="ENG-1")
        async with Client(Target(url_of(edge), "of-another-daemon", found=True)) as client:
            assert (await take(client, 1))[0].id == "1"
        async with Client(Target(url_of(edge), "given-and-wrong")) as client:
            with pytest.raises(errors.Unauthorized, match="does not know this key; RIG_TOKEN") as found:
                await client.call("list_issues")
            assert found.value.details["trace_id"]


async def test_nothing_there_is_unreachable_and_says_what_to_do() -> None:
    async with Client(Target("http://127.0.0.1:1")) as client:
        with pytest.raises(errors.Unreachable, match="is `rig serve` running"):
            await client.call("list_issues")
        with pytest.raises(errors.Unreachable):
            async for _ in client.events(0):
                pass


async def test_what_is_not_rig_is_said_to_be_so() -> None:
    async def page(request: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>hello")

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("http://192.0.2.1/")

    for handler in (page, elsewhere):
        async with impostor(handler) as client:
            with pytest.raises(errors.BadGateway):
                await client.call("list_issues")
            with pytest.raises(errors.BadGateway):
                async for _ in client.events(0):
                    pass


async def test_a_daemon_that_does_not_answer_is_waited_for_only_so_long() -> None:
    async def never(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(5)
        return web.Response()

    async with impostor(never) as client:
        with pytest.raises(errors.WaitedTooLong):
            await client.call("list_issues")


async def test_an_answer_that_breaks_off_leaves_a_change_unknown() -> None:
    async def gone(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with impostor(gone) as client:
        with pytest.raises(errors.OutcomeUnknown):
            await client.call("create_issue", identifier="ENG-1")
        with pytest.raises(errors.Unreachable):
            await client.call("list_issues")


async def take(client: Client, count: int, since: int | None = 0, **options: Any) -> list[Frame]:
    taken: list[Frame] = []
    async with asyncio.timeout(10), aclosing(client.events(since, **options)) as frames:
        async for frame in frames:
            taken.append(frame)
            if len(taken) == count:
                break
    return taken


async def test_events_come_from_the_beginning_and_then_as_they_happen(edge: Edge) -> None:
    await edge.approve(1, 2)
    async with connected(edge) as client:
        reading = asyncio.create_task(take(client, 3))
        await asyncio.sleep(0.1)
        await edge.approve(3)
        assert [frame.id for frame in await reading] == ["1", "2", "3"]


async def test_without_a_cursor_the_stream_begins_now(edge: Edge) -> None:
    await edge.approve(1)
    async with connected(edge) as client:
        reading = asyncio.create_task(take(client, 1, None))
        await asyncio.sleep(0.2)
        await edge.approve(2)
        assert [json.loads(frame.data)["streamId"] for frame in await reading] == ["acme/web#2"]


async def test_a_stream_that_is_cut_goes_on_where_it_was(edge: Edge) -> None:
    """Every connection dies after some bytes, and yet each event comes once, in order (I15)."""
    await edge.approve(*range(1, 21))
    cuts = 0

    async def through(request: web.Request) -> web.StreamResponse:
        nonlocal cuts
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        headers = {k: v for k, v in request.headers.items() if k in ("Last-Event-ID", "Authorization")}
        async with edge.client.get(request.path_qs, headers=headers) as upstream:
            data = await upstream.content.readexactly(900 + 131 * (cuts % 7))
        cuts += 1
        await response.write(data.replace(b"retry: 1500", b"retry: 10"))
        assert request.transport is not None
        request.transport.abort()
        return response

    app = web.Application()
    app.router.add_get("/api/v1/events", through)
    async with TestServer(app) as server, Client(Target(str(server.make_url("")).rstrip("/"), OPERATOR_TOKEN)) as client:
        frames = await take(client, 15)
    assert [frame.id for frame in frames] == [str(n) for n in range(1, 16)]
    assert cuts > 2


async def test_a_daemon_that_stays_away_ends_the_patience() -> None:
    tries = 0

    async def once(request: web.Request) -> web.StreamResponse:
        nonlocal tries
        tries += 1
        if tries > 1:
            return web.json_response({"error": {"code": "draining", "message": "stopping"}}, status=503)
        return web.Response(headers={"Content-Type": "text/event-stream"}, text="id: 1\ndata: {}\n\n")

    async with impostor(once) as client:
        with pytest.raises(errors.Draining):
            await take(client, 2, patience=0)


async def test_a_refusal_that_time_does_not_heal_ends_the_stream(edge: Edge) -> None:
    async with connected(edge) as client:
        with pytest.raises(errors.BadCursor):
            await take(client, 1, since=10**6)
        with pytest.raises(errors.BadRequest):
            await take(client, 1, topics="nonsense")


async def test_log_lines_are_read_or_followed_to_the_end(edge: Edge) -> None:
    from tests.http.edge import Line

    body = {"agentId": "a", "executionId": "e-1", "repo": "acme/web", "issueNumber": 1}
    await edge.approve(1)
    for kind in ("issue_assigned", "work_started"):
        await edge.store.commit(Unit("default", (NewEvent("acme/web#1", kind, encode(body)),)))
    edge.logs.lines["e-1"] = [Line(n, 0, "stdout", f"line {n}") for n in (1, 2, 3)]
    async with connected(edge) as client:
        assert [line["text"] async for line in client.log_lines("e-1", 1)] == ["line 2", "line 3"]
        assert [line["text"] async for line in client.log_lines("e-1", 0, follow=True)] == ["line 1", "line 2", "line 3"]
        with pytest.raises(errors.NotFound):
            async for _ in client.log_lines("none", follow=True):
                pass


async def test_waiting_ends_with_the_state_that_was_waited_for(edge: Edge) -> None:
    await edge.approve(1)
    async with connected(edge) as client:
        await until_ready(client)
        waiting = asyncio.create_task(until_state(client, "acme/web#1", seconds=10))
        await asyncio.sleep(0.1)
        await client.call("force_done", repo="acme/web", issueNumber=1)
        assert await waiting == "done"
        assert await until_state(client, "acme/web#1") == "done"
        with pytest.raises(errors.WaitedTooLong, match="was not failed"):
            await until_state(client, "acme/web#1", {"failed"}, seconds=0.2)


async def test_waiting_for_a_daemon_that_is_not_there_ends() -> None:
    async with Client(Target("http://127.0.0.1:1")) as client:
        with pytest.raises(errors.WaitedTooLong, match="not ready"):
            await until_ready(client, 0.2)
