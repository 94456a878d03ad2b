"""The connection to a daemon: reads the lists, follows the stream, and begins again by itself when either breaks."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, TypeVar, get_origin

import msgspec

from rig.client import Client, Frame, Target
from rig.errors import BadGateway, RigError, Unreachable
from rig.wire.shapes import answers
from rigtui.history import History
from rigtui.palette import Offer, parameters
from rigtui.state import VIEWS, Change, Changed, Connection, Listed, Missed, Spent, View
from rigtui.words import seconds

T = TypeVar("T")
WINDOW = 500
"""Most rows of a list that are held."""
ENDED_WINDOW = 100
OPEN_STATES = ("queued", "assigned", "in_progress", "in_review", "deploying")
PAUSE = 0.25
"""Seconds between two readings of lists: at most four a second (architecture §9)."""
RETRY = 0.25
LONGEST_RETRY = 4.0
PING = 3.0
"""Seconds between two questions whether the daemon still answers."""
PATIENCE = 10.0
"""Seconds that an answer may take before the connection counts as lost."""


def lenient(shape: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """A row's shape for daemons of other versions: a field that one does not send is None, or empty where it is a list."""
    empty = {f.name: () if get_origin(f.type) in (list, tuple) else None for f in msgspec.structs.fields(shape)}
    named = {f.name: f.encode_name for f in msgspec.structs.fields(shape)}
    fields = [(f.name, f.type, empty[f.name]) for f in msgspec.structs.fields(shape) if f.required]
    return msgspec.defstruct(shape.__name__, fields, bases=(shape,), rename=named, kw_only=True)


LISTS: dict[View, str] = {
    "issues": "list_issues",
    "queue": "list_queue",
    "agents": "list_agents",
    "attention": "list_attention",
}
"""View to the operation that lists it."""
ROWS: dict[str, type[msgspec.Struct]] = {
    "issues": lenient(answers.Issue),
    "queue": lenient(answers.Assignment),
    "agents": lenient(answers.Agent),
    "attention": lenient(answers.AttentionItem),
}
"""View to the shape of its rows."""
KEYS = {"issues": "stream_id", "queue": "stream_id", "agents": "id", "attention": "id"}
"""View to the field that is the key of its rows."""


class _RowFrame(msgspec.Struct):
    view: str
    key: str
    row: msgspec.Raw
    sequence: int


class _GapFrame(msgspec.Struct):
    sequence: int = 0
    views: list[str] = []


_row_frame = msgspec.json.Decoder(_RowFrame)
_gap_frame = msgspec.json.Decoder(_GapFrame)
_decoders = {view: msgspec.json.Decoder(shape | None) for view, shape in ROWS.items()}


def change_of(event: str, data: bytes) -> Change | None:
    """What a frame of the stream changes; None for one that changes no list. Raises msgspec.DecodeError."""
    if event == "row":
        frame = _row_frame.decode(data)
        decoder = _decoders.get(frame.view)
        return None if decoder is None else Changed(frame.view, frame.key, decoder.decode(frame.row), frame.sequence)  # type: ignore[arg-type]  # a view that has a decoder
    if event == "gap":
        gap = _gap_frame.decode(data)
        return Missed(tuple(view for view in VIEWS if view in gap.views or not gap.views), gap.sequence)
    return None


class Link:
    """One dashboard's way to its daemon; ``tell`` gets every change, on the loop that runs ``run``."""

    def __init__(self, where: Callable[[], Target], tell: Callable[[Change], None]) -> None:
        self._where = where
        self._tell = tell
        self._client: Client | None = None
        self._wanted: set[View] = set()
        self._wake = asyncio.Event()
        self._again = asyncio.Event()
        self._ahead: float | None = None
        """Seconds that the daemon's clock is ahead of the loop's."""
        self.url = where().url

    async def run(self) -> None:
        """Connect, follow, and connect again, until cancelled."""
        pause = RETRY
        while True:
            live = False
            try:
                target = self._where()
                self.url = target.url
                async with Client(target, timeout=PATIENCE) as client:
                    self._tell(Connection("connecting"))
                    self._hands(await client.call("get_health"))
                    since = await self._read(client, VIEWS)
                    self._client, live, pause = client, True, RETRY
                    await self._follow(client, since)
                reason = "the daemon ended the stream"
            except RigError as error:
                reason = error.message
            finally:
                self._client = None
            pause = RETRY if live else min(pause * 2, LONGEST_RETRY)
            self._tell(Connection("disconnected", reason, again=pause))
            self._again.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._again.wait(), pause)

    def resync(self) -> None:
        """Read every list again, and connect at once where it waits to."""
        self._again.set()
        self.want(VIEWS)

    def want(self, views: Iterable[View]) -> None:
        """These lists are to be read again, soon."""
        self._wanted.update(views)
        if self._wanted:
            self._wake.set()

    @property
    def client(self) -> Client:
        """The client that stands. Raises Unreachable while there is none."""
        if self._client is None:
            raise Unreachable(f"{self.url} does not answer at the moment")
        return self._client

    async def call(self, operation: str, /, **params: Any) -> Any:
        """An operation's answer. Raises what the client raises."""
        return await self.client.call(operation, **params)

    async def typed(self, shape: type[T], operation: str, /, **params: Any) -> T:
        """An operation's answer as the shape that it is declared with."""
        return _converted(await self.call(operation, **params), shape, self.url)

    # What single screens follow

    async def traces(self, stream: str, broken: Callable[[RigError], None]) -> AsyncGenerator[History, None]:
        """An issue's history, again and again when something was added; across broken connections, which ``broken`` hears of."""
        while True:
            try:
                trace = await self.typed(History, "get_issue_trace", id=stream)
                yield trace
                async with aclosing(self.client.events(trace.as_of, id=stream, patience=0.0)) as frames:
                    changed = asyncio.Event()
                    heard = asyncio.ensure_future(_hear(frames, changed))
                    try:
                        while True:
                            waiting = asyncio.ensure_future(changed.wait())
                            await asyncio.wait([heard, waiting], return_when=asyncio.FIRST_COMPLETED)
                            waiting.cancel()
                            if heard.done():
                                heard.result()
                                break
                            changed.clear()
                            began = self.time()
                            yield await self.typed(History, "get_issue_trace", id=stream)
                            await asyncio.sleep(max(PAUSE, 5 * (self.time() - began)))
                    finally:
                        heard.cancel()
                        await asyncio.gather(heard, return_exceptions=True)
            except RigError as error:
                broken(error)
                await self.pause()

    async def executions(self, stream: str) -> list[answers.Execution]:
        """An issue's attempts, newest first."""
        found = await self.typed(list[answers.Execution], "list_execution_logs", issue=stream, limit=WINDOW)
        return [execution for execution in found if execution.issue_id == stream]  # an older daemon knows no such filter

    async def answer(self, question: str, text: str) -> None:
        """Answer an open question. Raises what the client raises: NotFound, Conflict when somebody was faster."""
        await self.call("answer_question", id=question, answer=text)

    async def steer(self, issue: str, text: str) -> answers.Steered:
        """Say something to the agent at work. Raises what the client raises: Conflict when nobody is, or can be told."""
        return await self.typed(answers.Steered, "steer_issue", id=issue, message=text)

    async def offers(self) -> list[Offer]:
        """What plugins add to the API. Raises what the client raises."""
        plugins = await self.typed(list[answers.Plugin], "list_plugins")
        return [Offer(plugin.name, o.name, o.method, o.summary) for plugin in plugins for o in plugin.operations]

    async def call_offer(self, offer: Offer, text: str) -> Any:
        """An operation's answer, called with parameters as they were typed. Raises what the client raises."""
        what = {"plugin": offer.plugin, "operation": offer.name}
        if offer.method == "GET":
            return await self.call("query_plugin", **{**parameters(text, as_json=False), **what})
        return await self.call("call_plugin", body=parameters(text, as_json=True), **what)

    async def pause(self) -> None:
        """Wait a little before something broken is tried again."""
        await asyncio.sleep(2 * PAUSE)

    @staticmethod
    def time() -> float:
        """Seconds of the loop's clock."""
        return asyncio.get_running_loop().time()

    def now(self) -> float:
        """Seconds since 1970 by the daemon's clock, as its last answer told it; 0 before the first."""
        return 0.0 if self._ahead is None else self.time() + self._ahead

    # One connection

    async def _follow(self, client: Client, since: int) -> None:
        """Follow the stream from ``since``; ends when it breaks. Raises what broke it."""
        jobs: list[Awaitable[None]] = [self._stream(client, since), self._reread(client), self._ping(client)]
        tasks = [asyncio.ensure_future(job) for job in jobs]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _stream(self, client: Client, since: int) -> None:
        self._tell(Connection("live"))
        views = ",".join(LISTS)
        async with aclosing(client.events(since, topics="milestone", views=views, patience=0.0)) as frames:
            async for frame in frames:
                try:
                    change = change_of(frame.event, frame.data)
                except msgspec.DecodeError as error:
                    raise BadGateway(f"{self.url} sends rows that this version does not read: {error}") from None
                if change is not None:
                    self._tell(change)

    async def _reread(self, client: Client) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            wanted, self._wanted = self._wanted, set()
            began = self.time()
            await self._read(client, wanted)
            await asyncio.sleep(max(PAUSE, 4 * (self.time() - began)))  # a daemon that is slow is not asked all the time

    async def _ping(self, client: Client) -> None:
        now = asyncio.get_running_loop().time
        while True:
            began = now()
            asked = asyncio.ensure_future(client.call("get_health"))
            try:
                while not (await asyncio.wait([asked], timeout=1.0))[0]:
                    self._tell(Connection("live", lag=now() - began))
                self._hands(asked.result())
            finally:
                asked.cancel()
            self._tell(Connection("live", lag=now() - began))
            await self._read_spent(client)
            await self._read(client, ("agents",))  # that one went silent changes no row
            await asyncio.sleep(PING)

    def _hands(self, health: Any) -> None:
        """Set the clock by an answer of ``get_health``."""
        at = seconds(health.get("timestamp")) if isinstance(health, dict) else None
        if at is not None:
            self._ahead = at - self.time()

    # Lists

    async def _read(self, client: Client, views: Iterable[View]) -> int:
        """Read lists; the smallest sequence as of which one was read."""
        read = [self._list(client, view) for view in set(views)]
        return min(await asyncio.gather(*read), default=0)

    async def _list(self, client: Client, view: View) -> int:
        operation = LISTS[view]
        window = None if view == "agents" else WINDOW
        found, as_of = await client.ask(operation, limit=window)
        whole = window is None or len(found) < WINDOW
        if view == "issues" and not whole:
            pages = [client.ask(operation, state=state, limit=WINDOW) for state in OPEN_STATES]
            pages += [client.ask(operation, state=state, limit=ENDED_WINDOW) for state in ("failed", "done")]
            parts = await asyncio.gather(*pages)
            found, as_of = [row for part, _ in parts for row in part], min(at or 0 for _, at in parts)
        rows = [_converted(row, ROWS[view], self.url) for row in found]
        self._tell(Listed(view, {str(getattr(row, KEYS[view])): row for row in rows}, as_of or 0, whole))
        return as_of or 0

    async def _read_spent(self, client: Client) -> None:
        """Today's dollars, by the days of the daemon's clock, which are UTC."""
        daily = _converted(await client.call("get_daily_costs", days=1), answers.DailyCosts, self.url)
        today = datetime.fromtimestamp(self.now(), UTC).date().isoformat()
        self._tell(Spent(sum(entry.cost_usd for entry in daily.entries if entry.date == today)))


async def _hear(frames: AsyncIterator[Frame], changed: asyncio.Event) -> None:
    async for _ in frames:
        changed.set()


def _converted(answer: Any, shape: type[T], url: str) -> T:
    try:
        return msgspec.convert(answer, shape)
    except msgspec.ValidationError as error:
        raise BadGateway(f"{url} answers what this version does not read: {error}") from None
