"""The listener itself, over raw sockets: what the parser refuses, what comes too slowly, how it ends (finding 9)."""

import asyncio
import gzip
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rig.errors import CannotListen
from rig.http import door
from rig.http.app import make_app
from rig.http.server import Serving, serve
from tests.http.edge import Edge

Raw = tuple[int, dict[str, str], bytes]


@asynccontextmanager
async def serving(edge: Edge, **options: float) -> AsyncIterator[Serving]:
    running = await serve(make_app(edge.deps_again()), "127.0.0.1", 0, **options)
    try:
        yield running
    finally:
        await running.stop()


async def talk(running: Serving, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send parts, then read until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    try:
        for part in parts:
            writer.write(part)
            await asyncio.sleep(pause)
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


HOST = b"Host: localhost\r\n"
GET = b"GET /health HTTP/1.1\r\n"


@pytest.mark.parametrize(
    ("request_", "statuses"),
    [
        (b"POST /api/events HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
        (b"POST /api/events HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", {400}),
        (b"POST /api/events HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", {400}),
        (GET + HOST + b"X: a\r\n b\r\n\r\n", {400}),
        (GET + HOST + b"X: a\x00b\r\n\r\n", {400}),
        (GET + HOST + b"".join(b"X-%d: a\r\n" % n for n in range(200)) + b"\r\n", {400, 431}),
        (GET + HOST + b"X: " + b"a" * 20_000 + b"\r\n\r\n", {431}),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", {400, 414}),
        (b"\x16\x03\x01 garbage\r\n\r\n", {400}),
        (b"GET http://localhost/health HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", {400}),
        (GET + b"Connection: close\r\n\r\n", {400}),
        (GET + HOST + HOST + b"Connection: close\r\n\r\n", {400}),
        (b"GET /health HTTP/1.1\r\nHost: localhost/evil\r\nConnection: close\r\n\r\n", {400}),
        (GET + HOST + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}", {400}),
    ],
)
async def test_a_malformed_request_is_refused_in_the_envelope_and_closed(
    edge: Edge, request_: bytes, statuses: set[int], caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(edge) as running:
        with caplog.at_level(logging.WARNING):
            answer = await talk(running, request_)
    assert status(answer) in statuses, answer
    head, _, body = answer.partition(b"\r\n\r\n")
    assert set(json.loads(body)) >= {"error", "code", "traceId"}
    assert b"application/json" in head
    assert b"Python" not in head
    assert not caplog.records


POST = b"POST /api/events HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        POST + b"Content-Encoding: gzip\r\nContent-Length: 7\r\n\r\ngarbage",
        POST + b"Content-Encoding: gzip\r\nContent-Length: 10\r\n\r\n" + gzip.compress(b"{}")[:10],
        POST + b"Content-Encoding: deflate\r\nContent-Length: 7\r\n\r\n\xff\xffrbage",
        POST + b"Content-Encoding: br\r\nContent-Length: 7\r\n\r\ngarbage",
        POST + b"Content-Encoding: nonsense\r\nContent-Length: 7\r\n\r\ngarbage",
        POST + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: identity\r\n\r\n{}",
    ],
)
async def test_a_body_that_is_not_encoded_as_it_says_is_400(
    edge: Edge, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """I36."""
    async with serving(edge) as running:
        with caplog.at_level(logging.WARNING):
            answer = await talk(running, request_)
    assert status(answer) in (400, 415), answer
    assert not caplog.records


async def test_a_client_that_goes_in_the_middle_of_its_body_leaves_no_trace(
    edge: Edge, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(edge) as running:
        with caplog.at_level(logging.WARNING):
            _, writer = await asyncio.open_connection("127.0.0.1", running.port)
            writer.write(POST + b"Content-Length: 100\r\n\r\n{")
            await asyncio.sleep(0.05)
            writer.transport.abort()
            await asyncio.sleep(0.05)
            assert status(await talk(running, GET + HOST + b"Connection: close\r\n\r\n")) == 200
    assert not caplog.records


async def test_slow_heads_and_silent_connections_are_closed_with_408(edge: Edge) -> None:
    async with serving(edge, headers_within=0.2, sweep=0.05) as running:
        slow, silent, late = await asyncio.gather(
            talk(running, GET, b"X", b"-", b"A", pause=0.05),
            talk(running),
            talk(running, GET + HOST + b"\r\n", b"GET /hea", pause=0.1),
        )
    assert (status(slow), status(silent)) == (408, 408)
    assert late.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 408" in late
    assert json.loads(slow.partition(b"\r\n\r\n")[2])["code"] == "request_timeout"


async def test_half_open_sockets_are_reaped_while_others_are_served(edge: Edge) -> None:
    """F25."""
    async with serving(edge, headers_within=0.3, sweep=0.05) as running:
        opened = [await asyncio.open_connection("127.0.0.1", running.port) for _ in range(100)]
        assert status(await talk(running, GET + HOST + b"Connection: close\r\n\r\n")) == 200
        async with asyncio.timeout(5):
            for reader, writer in opened:
                await reader.read()
                writer.close()


async def test_a_body_that_stands_still_is_408(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "IDLE", 0.1)
    head = b"POST /api/events HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nContent-Length: 50\r\n\r\n"
    async with serving(edge) as running:
        answer = await talk(running, head, b'{"type"')
    assert status(answer) == 408


async def test_a_request_under_way_is_not_slow(edge: Edge) -> None:
    async with serving(edge, headers_within=0.1, sweep=0.03) as running:
        request = b"GET /api/assignments/next?wait=1 HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
        assert status(await talk(running, request)) == 204


async def test_a_requests_bytes_may_come_one_by_one(edge: Edge) -> None:
    request = GET + HOST + b"Connection: close\r\n\r\n"
    async with serving(edge) as running:
        assert status(await talk(running, *(bytes([b]) for b in request))) == 200


async def test_port_zero_takes_a_free_one_and_a_taken_one_says_what_to_do(edge: Edge) -> None:
    async with serving(edge) as running:
        assert running.url == f"http://127.0.0.1:{running.port}"
        assert running.port > 0
        with pytest.raises(CannotListen, match="--port 0"):
            await serve(make_app(edge.deps_again()), "127.0.0.1", running.port)
    with pytest.raises(CannotListen, match="not an address of this machine"):
        await serve(make_app(edge.deps_again()), "192.0.2.1", 0)


async def test_draining_ends_streams_and_stops_within_seconds(edge: Edge) -> None:
    """I32."""
    async with serving(edge) as running:
        stream = asyncio.ensure_future(talk(running, b"GET /api/v1/events HTTP/1.1\r\n" + HOST + b"\r\n"))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(5):
            await running.stop()
            answer = await stream
    assert status(answer) == 200
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", running.port)


async def test_draining_ends_a_trace_of_plugins_at_once(edge: Edge) -> None:
    """I32."""
    async with serving(edge) as running:
        trace = asyncio.ensure_future(talk(running, b"GET /api/v1/plugins/calls?wait=60 HTTP/1.1\r\n" + HOST + b"\r\n"))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(2):
            await running.stop()
            assert status(await trace) == 200


async def test_a_reader_that_takes_nothing_is_cut_off(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """I17."""
    from rig.http.routes import stream
    from rig.model.events import NewEvent, encode
    from rig.store.units import Unit

    monkeypatch.setattr(stream, "STALLED", 0.3)
    events = tuple(NewEvent("a", "heartbeat", encode({"agentId": "a", "pad": "x" * 20_000})) for _ in range(500))
    await edge.store.commit(Unit("default", events))
    async with serving(edge) as up:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", up.port))
        await loop.sock_sendall(sock, b"GET /api/v1/events?since=0 HTTP/1.1\r\n" + HOST + b"\r\n")
        await asyncio.sleep(1.0)
        assert up.runner.server is not None
        async with asyncio.timeout(5):
            while up.runner.server.connections:
                await asyncio.sleep(0.02)
        sock.close()


def test_the_names_of_aiohttp_that_the_listener_leans_on_are_there() -> None:
    """A canary: these are private, and an upgrade may move them."""
    from aiohttp import web
    from aiohttp.web_protocol import RequestHandler

    names: list[tuple[Callable[..., Any], str]] = [(web.AppRunner, "_make_server"), (web.Application, "_handle")]
    names += [(web.Application, "_make_request"), (web.Application, "_set_loop")]
    names += [(RequestHandler, n) for n in ("_waiter", "_request_count", "handle_error", "force_close", "data_received")]
    assert [n for owner, n in names if not hasattr(owner, n)] == []
