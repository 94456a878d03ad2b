"""Reading lists and single rows in one snapshot: the shared part of every GET."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from rig.http.ask import AS_OF, Ask
from rig.model.events import Event
from rig.model.rows import UnappliedRow
from rig.model.tables import UNAPPLIED, Query, R
from rig.store.port import Snapshot

T = TypeVar("T")


def window(ask: Ask) -> tuple[int, int]:
    """``limit`` and ``offset`` as the conductor has them."""
    return ask.integer("limit", 100, 1, 500, clamp=True), ask.integer("offset", 0, 0, 10**12)


async def array(ask: Ask, query: Query[R], show: Callable[[R], Any]) -> web.StreamResponse:
    """A page of rows as a bare array, with the sequence of the snapshot in a header."""

    def job(snapshot: Snapshot) -> tuple[bytes, int]:
        return msgspec.json.encode([show(row) for _, row in snapshot.page(query)]), snapshot.as_of(query.tenant)

    body, as_of = await ask.deps.store.read(job)
    return ask.bytes(body, headers={AS_OF: str(as_of)})


def history(snapshot: Snapshot, tenant: str, stream: str) -> tuple[list[Event], dict[int, UnappliedRow]]:
    """The events of an issue, and by their sequence those that could not be applied."""
    events = snapshot.stream(tenant, stream)
    query = Query(UNAPPLIED, tenant, (("stream", "=", stream),), limit=max(len(events), 1))
    return events, {row.sequence: row for _, row in snapshot.page(query)}


async def snapshot(ask: Ask, job: Callable[[Snapshot], T]) -> T:
    """Run ``job`` in one snapshot on a reader thread."""
    result: T = await ask.deps.store.read(job)
    return result
