"""Reading lists and single rows in one snapshot: the shared part of every GET."""

from collections.abc import Callable
from typing import Any, TypeVar

from aiohttp import web

from rig.http.ask import AS_OF, Ask
from rig.http.queries import lists as queries
from rig.model.tables import Query, R
from rig.store.port import Snapshot
from rig.store.reading import Reading

T = TypeVar("T")


def window(ask: Ask) -> tuple[int, int]:
    """``limit`` and ``offset`` as the conductor has them."""
    return ask.integer("limit", 100, 1, 500, clamp=True), ask.integer("offset", 0, 0, 10**12)


async def array(ask: Ask, query: Query[R], show: Callable[..., Any], *more: Any) -> web.StreamResponse:
    """A page of rows as a bare array; ``show``, a function of a module, gets each and what is said ``more``."""
    return await answer(ask, queries.array, query, show, *more)


async def answer(ask: Ask, function: Callable[..., queries.Answer], *arguments: Any) -> web.StreamResponse:
    """What one of ``rig.http.queries`` answers, with the sequence of the snapshot in a header."""
    body, as_of = await ask.deps.store.read(Reading(function, arguments))
    return ask.bytes(body, headers={AS_OF: str(as_of)})


async def snapshot(ask: Ask, job: Callable[[Snapshot], T]) -> T:
    """Run ``job`` in one snapshot on a reader thread."""
    result: T = await ask.deps.store.read(job)
    return result
