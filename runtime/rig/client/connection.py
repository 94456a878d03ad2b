"""A connection to a daemon: calls by operation, the event stream, the lines of an execution."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from rig import __version__
from rig.client.address import Target
from rig.client.failures import error_of
from rig.client.requests import UNSET, operation_named, parts
from rig.client.sse import Frame, Parser
from rig.errors import BadGateway, BadRequest, OutcomeUnknown, RigError, Unauthorized, Unreachable, WaitedTooLong

SSE = "text/event-stream"
AS_OF = "X-Rig-As-Of"
SILENCE = 45.0
"""Seconds without a byte, three missed heartbeats, after which a stream counts as broken."""
RETRY = 1.5
LONGEST_RETRY = 15.0
ENDLESS = aiohttp.ClientTimeout(total=None, connect=10.0, sock_read=SILENCE)


class Client:
    """Asks one daemon. Use it as an async context manager; calls may run side by side.

    Every method raises the ``RigError`` that the daemon answered with, Unreachable when nothing answers, WaitedTooLong when the
    answer takes longer than ``timeout`` seconds, and BadGateway when what answers is not Rig.
    """

    def __init__(self, target: Target | None = None, *, timeout: float = 30.0) -> None:
        self.target = target or Target()
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=10.0)
        self._session: aiohttp.ClientSession | None = None
        self._token = self.target.token

    async def __aenter__(self) -> Self:
        headers = {"User-Agent": f"rig/{__version__}", "X-Stella-Tenant": self.target.tenant}
        self._session = aiohttp.ClientSession(headers=headers, timeout=self._timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(self, name: str, /, *, body: Any = UNSET, headers: Mapping[str, str] | None = None, **params: Any) -> Any:
        """Do an operation and give its decoded answer: JSON as Python has it, None for 204, text where it is not JSON.

        ``params`` are the operation's own names; those that are neither in the path nor in the query make the body, unless
        ``body`` gives it whole (bytes are sent as they are). ``headers`` go along, such as Idempotency-Key. Raises BadRequest
        before asking when they can't be right.
        """
        return (await self.ask(name, body=body, headers=headers, **params))[0]

    async def ask(
        self, name: str, /, *, body: Any = UNSET, headers: Mapping[str, str] | None = None, **params: Any
    ) -> tuple[Any, int | None]:
        """``call`` that also tells the sequence as of which a list was read (the place to subscribe from), None where not said."""
        operation = operation_named(name)
        if operation.raw == SSE:
            raise BadRequest(f"{name} is a stream; read it with events()")
        path, query, content = parts(operation, params, body)
        sent = {"Accept": "application/json" if operation.raw is None else operation.raw}
        data = None
        if content is not UNSET:
            data = content if isinstance(content, bytes) else msgspec.json.encode(content)
            sent["Content-Type"] = "application/json"
        async with self._answer(operation.method, path, query, {**sent, **(headers or {})}, data=data) as response:
            as_of = response.headers.get(AS_OF, "")
            answer = self._decoded(operation.raw is None, await response.read())
            return answer, int(as_of) if as_of.isdigit() else None

    async def newest(self) -> int:
        """The newest sequence of the tenant's log."""
        _, as_of = await self.ask("list_issues", limit=1)
        return as_of or 0

    async def events(
        self,
        since: int | None = None,
        *,
        topics: str | None = None,
        id: str | None = None,
        views: str | None = None,
        patience: float | None = None,
    ) -> AsyncGenerator[Frame, None]:
        """The log's events after a sequence, in order, each once: a lost connection is taken up again where it was (I15).

        ``since`` None begins with what comes now. ``row`` and ``gap`` frames come through as they are; after a gap the reader
        goes on by itself. Ends only by leaving it, or by an error that a new connection would not heal; ``patience`` is how many
        seconds a daemon may be away before that is Unreachable, None for ever. The first connection is never waited for.
        """
        cursor = await self.newest() if since is None else since
        path, query, _ = parts(operation_named("stream_events"), {"topics": topics, "id": id, "views": views})
        async with aclosing(self._frames(path, query, str(cursor), patience)) as frames:
            async for frame in frames:
                yield frame

    async def log_lines(
        self, execution: str, after: int = 0, *, follow: bool = False, patience: float | None = 60.0
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Lines of an execution's output (``line``, ``at``, ``stream``, ``text``); ``follow`` waits for more until it ends."""
        path, query, _ = parts(operation_named("get_attempt_logs"), {"id": execution})
        if follow:
            async with aclosing(self._frames(path, query, str(after), patience)) as frames:
                async for frame in frames:
                    if frame.event != "end":
                        yield msgspec.json.decode(frame.data)
            return
        rest = b""
        async with self._answer("GET", path, {"after": str(after)}, {}, timeout=ENDLESS) as response:
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield self._decoded(True, line)

    # Streams

    async def _frames(
        self, path: str, query: Mapping[str, str], cursor: str, patience: float | None
    ) -> AsyncGenerator[Frame, None]:
        """Frames of a stream for as long as the reader wants, from one connection after the other."""
        now = asyncio.get_running_loop().time
        first, pause, away_since = True, RETRY, now()
        while True:
            try:
                async with aclosing(self._connection(path, query, cursor)) as frames:
                    async for frame, retry in frames:
                        first, pause, away_since = False, retry or RETRY, now()
                        if frame is None:
                            continue
                        cursor = cursor if frame.id is None else frame.id
                        yield frame
                        if frame.event == "end":
                            return
            except RigError as error:
                heals = isinstance(error, Unreachable | WaitedTooLong | BadGateway) or error.retry_after is not None
                if first or not heals or (patience is not None and now() - away_since >= patience):
                    raise
                pause = min(max(pause * 2, error.retry_after or 0), LONGEST_RETRY)
            await asyncio.sleep(pause)

    async def _connection(
        self, path: str, query: Mapping[str, str], cursor: str
    ) -> AsyncGenerator[tuple[Frame | None, float | None], None]:
        """Frames of one connection with the wait that the sender asks for; the first entry, without a frame, says it stands."""
        parser = Parser()
        headers = {"Accept": SSE, "Last-Event-ID": cursor}
        async with self._answer("GET", path, query, headers, timeout=ENDLESS) as response:
            if response.content_type != SSE:
                raise BadGateway(f"{self.target.url} does not stream as Rig does; is that Rig's address?")
            yield None, None
            async for chunk in response.content.iter_any():
                try:
                    frames = parser.feed(chunk)
                except ValueError as error:
                    raise BadGateway(f"{self.target.url}: {error}") from None
                for frame in frames:
                    yield frame, parser.retry

    # Answers and failures

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        *,
        data: bytes | None = None,
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A successful answer whose body is to be read. Raises what it is otherwise, also while it is read."""
        if self._session is None:
            raise RuntimeError("use the client in an `async with`")
        try:
            while True:
                credential = {"Authorization": f"Bearer {self._token}"} if self._token else {}
                async with self._session.request(
                    method,
                    self.target.url + path,
                    params=query,
                    data=data,
                    headers={**credential, **headers},
                    timeout=timeout or self._timeout,
                    allow_redirects=False,
                ) as response:
                    if response.status < 300:
                        yield response
                        return
                    if response.status != 401 or not self._token or not self.target.found:
                        raise self._refusal(error_of(response.status, await response.read(), self.target.url))
                self._token = None  # the token found here is another daemon's; on loopback this one may need none
        except (aiohttp.ClientError, OSError) as error:
            raise self._failure(error, method not in ("GET", "HEAD")) from None

    def _decoded(self, json: bool, answer: bytes) -> Any:
        if not answer:
            return None if json else ""
        if json:
            try:
                return msgspec.json.decode(answer)
            except msgspec.DecodeError:
                raise BadGateway(f"{self.target.url} answered with broken JSON") from None
        return answer.decode("utf-8", "replace")

    def _refusal(self, error: RigError) -> RigError:
        """The daemon's own word, but for a credential: what to do about that only its user can know."""
        if type(error) is not Unauthorized:
            return error
        wrong = "does not know this key" if self._token else "wants a key"
        return Unauthorized(f"{self.target.url} {wrong}; RIG_TOKEN is the key to show it", **error.details)

    def _failure(self, error: Exception, mutating: bool) -> RigError:
        url = self.target.url
        if isinstance(error, TimeoutError):
            return WaitedTooLong(f"{url} did not answer in time")
        if isinstance(error, aiohttp.ClientConnectorError):
            return Unreachable(
                f"nothing answers at {url}; is `rig serve` running there? RIG_URL or --url names another address"
            )
        if isinstance(error, aiohttp.InvalidURL):
            return BadRequest(f"{url} is not an address")
        if mutating:
            return OutcomeUnknown(f"{url} went away before it answered; look before you repeat")
        return Unreachable(f"{url} went away before it answered")
