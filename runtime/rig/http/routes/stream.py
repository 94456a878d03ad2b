"""The log as server-sent events: from the store until the ring is reached, then from the ring (I15–I18)."""

import asyncio
import re
from collections.abc import Sequence

from aiohttp import web

from rig.bus.bus import VIEWS
from rig.bus.ring import Ring, Want
from rig.errors import BadCursor, BadRequest, CursorTooOld
from rig.http.app_keys import KEYRING, METRICS
from rig.http.ask import Ask
from rig.http.headers import finish
from rig.model.events import TYPES, Event, event_type
from rig.store.port import Snapshot
from rig.wire import views

PAGE = 500
STALLED = 25.0
"""Seconds after which a reader that takes nothing is cut off (I17)."""
BUFFER = 256 * 1024
"""Bytes that wait for one reader inside the process before writing to it pauses."""

_SEQUENCE = re.compile(r"^[0-9]{1,18}$")
_FAMILIES = frozenset(t.family for t in TYPES.values())


async def stream_events(ask: Ask) -> web.StreamResponse:
    """``GET /api/v1/events``."""
    want = _want(ask)
    reader = Reader(ask, want)
    await reader.begin()
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    finish(response, ask.call.request_id)
    await response.prepare(ask.request)
    if ask.request.method == "HEAD":
        return response
    transport = ask.request.transport
    if transport is not None:
        transport.set_write_buffer_limits(high=BUFFER)
    readers = ask.request.app[METRICS].readers
    readers.inc()
    try:
        await reader.run(response)
    except TimeoutError:
        if transport is not None:
            transport.abort()
    finally:
        readers.dec()
    return response


def _want(ask: Ask) -> Want:
    types: set[str] | None = None
    topics = ask.text("topics")
    if topics is not None:
        types = set()
        for topic in topics.split(","):
            topic = topic.strip()
            known = event_type(topic)
            if known is not None:
                types.add(known.name)
            elif topic in _FAMILIES:
                types.update(t.name for t in TYPES.values() if t.family == topic)
            else:
                raise BadRequest("topics are event types or families, separated by commas", field="topics")
    stream = ask.text("id")
    views_ = frozenset((ask.text("views") or "").split(",")) - {""}
    if not views_ <= set(VIEWS):
        raise BadRequest(f"views are some of: {', '.join(VIEWS)}", field="views")
    return Want(None if types is None else frozenset(types), None if stream is None else frozenset({stream}), views_)


class Reader:
    """One open stream."""

    def __init__(self, ask: Ask, want: Want) -> None:
        self._ask = ask
        self._deps = ask.deps
        self._tenant = ask.call.tenant
        self._want = want
        self._after = 0
        """Sequence up to which everything was sent or passed over."""
        self._page: Sequence[Event] = ()
        self._keys = ask.request.app[KEYRING]

    @property
    def _ring(self) -> Ring:
        return self._deps.bus.ring(self._tenant)

    async def begin(self) -> None:
        """Find the place to begin at. Raises BadCursor, or CursorTooOld when the log no longer has what follows."""
        ring = self._ring
        cursor = self._ask.request.headers.get("Last-Event-ID") or self._ask.request.query.get("since")
        if not cursor:
            self._after = ring.newest
            return
        if not _SEQUENCE.match(cursor):
            raise BadCursor
        self._after = int(cursor)
        newest = ring.newest
        if self._after > newest:
            with self._deps.store.snapshot() as snapshot:
                newest = snapshot.as_of(self._tenant)
            if self._after > newest:
                raise BadCursor("the cursor is ahead of the log")
        if ring.place_after(self._after) is None:
            self._page = await self._read(self._after)
            if self._page and self._page[0].sequence != self._after + 1:
                raise CursorTooOld

    async def run(self, response: web.StreamResponse) -> None:
        """Send until the client, the daemon or the credential goes."""
        await self._write(response, views.OPENING)
        place = await self._catch_up(response)
        if place is None:
            return
        bus, now = self._deps.bus, asyncio.get_running_loop().time
        heartbeat = self._deps.settings.heartbeat
        spoke = now()
        revocations = -1
        while not bus.closed:
            if revocations != self._keys.revocations:
                revocations = self._keys.revocations
                if not self._keys.alive(self._ask.identity):
                    return
            ring = self._ring
            if not ring.holds(place):
                await self._write(response, views.gap_frame(self._after))
                return
            data, place, sequence = ring.take(place, self._want)
            if data:
                await self._write(response, data)
                spoke = now()
            if sequence:
                self._after = sequence
                continue
            silent = now() - spoke
            if silent >= heartbeat:
                await self._write(response, views.HEARTBEAT)
                spoke = now()
                continue  # something may have come meanwhile
            await bus.wait(self._tenant, min(heartbeat - silent, 5.0))

    async def _catch_up(self, response: web.StreamResponse) -> int | None:
        """Send from the store what the ring no longer has; the place in the ring to go on at, None when something is missing."""
        replayed = False
        while True:
            place = self._ring.place_after(self._after)
            if place is not None and self._after <= self._ring.newest:
                break
            if self._deps.bus.closed:
                return None
            if place is not None:  # the store was ahead of the ring
                await self._deps.bus.wait(self._tenant, 1.0)
                continue
            events = self._page or await self._read(self._after)
            self._page = ()
            if not events or events[0].sequence != self._after + 1:
                await self._write(response, views.gap_frame(self._after))
                return None
            replayed = True
            frames = b"".join(views.frame(e) for e in events if self._want.takes(e))
            self._after = events[-1].sequence
            if frames:
                await self._write(response, frames)
        if replayed and self._want.views:
            await self._write(response, views.gap_frame(self._after, self._want.views))
        return place

    async def _read(self, after: int) -> Sequence[Event]:
        tenant = self._tenant

        def job(snapshot: Snapshot) -> Sequence[Event]:
            return snapshot.events(tenant, after, PAGE)

        events: Sequence[Event] = await self._deps.store.read(job)
        return events

    @staticmethod
    async def _write(response: web.StreamResponse, data: bytes) -> None:
        async with asyncio.timeout(STALLED):
            await response.write(data)
