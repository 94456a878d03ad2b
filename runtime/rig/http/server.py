"""The listener: aiohttp's server with the time-outs that it lacks, parser errors in our envelope, and a graceful end."""

import asyncio
import errno
import logging
import resource
import secrets
import socket
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError, LineTooLong
from aiohttp.web_protocol import RequestHandler, RequestPayloadError
from aiohttp.web_request import BaseRequest
from aiohttp.web_server import Server

from rig.errors import BadRequest, CannotListen, HeadersTooLarge, RequestTimeout, RigError, UriTooLong
from rig.http import errors
from rig.http.deps import DEPS
from rig.http.headers import finish

log = logging.getLogger("rig.http")

HEADERS_WITHIN = 20.0
"""Seconds in which the head of a request must have come, also the first one of a connection."""
SWEEP = 5.0
"""Seconds between two looks for connections that are too slow."""
KEEPALIVE = 75.0
"""Seconds for which a connection may rest between two requests."""
LINGER = 2.0
"""Seconds for which the rest of a refused body is read away."""
MAX_LINE = 8190
MAX_CONNECTIONS = 4096
BACKLOG = 1024


class Connection(RequestHandler):
    """One client connection: knows since when it waits for the head of a request."""

    __slots__ = ("head_since",)

    def __init__(self, manager: Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self.head_since = 0.0
        """Loop time at which an unfinished head began; 0 when there is none."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.head_since = self._loop.time()

    def data_received(self, data: bytes) -> None:
        count = self._request_count
        super().data_received(data)
        if self._request_count != count:
            self.head_since = 0.0
        elif self._waiter is not None and not self.head_since:
            self.head_since = self._loop.time()

    def too_slow(self) -> None:
        """Say 408 if that is possible, and close."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(_LATE)
        self.force_close()

    def log_exception(self, *args: Any, **options: Any) -> None:
        """What a client does wrong after it was answered is no fault of ours."""
        if isinstance(options.get("exc_info"), HttpProcessingError | RequestPayloadError):
            self.log_debug(*args, **options)
        else:
            super().log_exception(*args, **options)

    def handle_error(
        self, request: BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """What the parser refuses, or what escaped the middleware, in the envelope of everything else."""
        trace = secrets.token_hex(16)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        error = _parser_error(exc) if status < 500 else errors.from_bug(exc or RuntimeError(), trace, "a request")
        log.info("refused a malformed request: %s", error.message)
        response = errors.answer(error, trace, request.path)
        finish(response, trace)
        response.force_close()
        return response


def _parser_error(exc: BaseException | None) -> RigError:
    if isinstance(exc, LineTooLong):
        line = exc.args[0] if exc.args else b""
        target = line.startswith("/") if isinstance(line, str) else bytes(line).startswith(b"/")
        return UriTooLong() if target else HeadersTooLarge()
    if isinstance(exc, BadHttpMessage) and "too many" in str(exc).lower():
        return HeadersTooLarge()
    return BadRequest("this is not a valid HTTP request")


def _late() -> bytes:
    response = errors.answer(RequestTimeout(), "0" * 32, "/")
    body = response.body
    assert isinstance(body, bytes)
    head = f"HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


_LATE = _late()


class Listener(Server):
    """Makes connections, sweeps away slow ones and refuses those above the limit."""

    def __init__(self, handler: Any, *, headers_within: float = HEADERS_WITHIN, sweep: float = SWEEP, **options: Any) -> None:
        super().__init__(handler, **options)
        self._headers_within = headers_within
        self._sweep_every = sweep
        self._timer = self._loop.call_later(sweep, self._sweep)

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if len(self._connections) > MAX_CONNECTIONS or _nearly_out_of_descriptors(transport):
            transport.abort()

    def _sweep(self) -> None:
        self._timer = self._loop.call_later(self._sweep_every, self._sweep)
        latest = self._loop.time() - self._headers_within
        for connection in list(self._connections):
            if isinstance(connection, Connection) and 0.0 < connection.head_since < latest:
                connection.too_slow()

    async def shutdown(self, timeout: float | None = None) -> None:
        self._timer.cancel()
        await super().shutdown(timeout)


def _nearly_out_of_descriptors(transport: asyncio.Transport) -> bool:
    """Whether a connection took one of the last descriptors: log and sessions need those, and without any, accepting spins."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    taken: int = transport.get_extra_info("socket").fileno()  # the lowest that was free
    return limit != resource.RLIM_INFINITY and taken >= limit - max(4, min(64, limit // 8))


class Runner(web.AppRunner):
    """aiohttp's runner with our listener."""

    def __init__(self, app: web.Application, *, headers_within: float = HEADERS_WITHIN, sweep: float = SWEEP) -> None:
        super().__init__(app, access_log=None, shutdown_timeout=5.0)
        self._listener_options = {"headers_within": headers_within, "sweep": sweep}

    async def _make_server(self) -> Server:
        app = self.app
        app._set_loop(asyncio.get_running_loop())
        app.on_startup.freeze()
        await app.startup()
        app.freeze()
        return Listener(
            app._handle,
            request_factory=app._make_request,
            handler_cancellation=True,
            keepalive_timeout=KEEPALIVE,
            lingering_time=LINGER,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            access_log=None,
            logger=log,
            **self._listener_options,
        )


@dataclass(frozen=True)
class Serving:
    """A listener that is up."""

    host: str
    port: int
    """The real one, also where 0 was asked for."""
    runner: Runner

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def drain(self) -> None:
        """Stop accepting, end streams and long polls, refuse what writes; requests under way go on."""
        for site in list(self.runner.sites):
            await site.stop()
        deps = self.runner.app[DEPS]
        deps.bus.close()
        deps.plugins.calls.close()

    async def stop(self) -> None:
        """Drain, give requests under way a few seconds, close everything."""
        await self.drain()
        await self.runner.cleanup()


async def serve(
    app: web.Application, host: str, port: int, *, headers_within: float = HEADERS_WITHIN, sweep: float = SWEEP
) -> Serving:
    """Listen. Raises CannotListen with what to do when the address is taken or not this machine's."""
    runner = Runner(app, headers_within=headers_within, sweep=sweep)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=BACKLOG)
        await site.start()
    except (OSError, OverflowError) as error:
        await runner.cleanup()
        raise CannotListen(_why(error, host, port)) from None
    except BaseException:
        await runner.cleanup()
        raise
    bound = runner.addresses[0]
    return Serving(host, int(bound[1]), runner)


def _why(error: BaseException, host: str, port: int) -> str:
    if isinstance(error, socket.gaierror):
        return f"{host} is not a known host name; give an address of this machine with --host"
    if isinstance(error, OSError) and error.errno is not None:
        if error.errno == errno.EADDRINUSE:
            return f"port {port} on {host} is in use; stop what holds it, or take a free one with --port 0"
        if error.errno == errno.EACCES:
            return f"port {port} needs more rights; take one above 1023 with --port"
        if error.errno == errno.EADDRNOTAVAIL:
            return f"{host} is not an address of this machine"
    return f"cannot listen on {host} port {port}"
