"""Readings that several ask for at once: those that have not begun are shared, so many readers of a heavy sum cost little more than one."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from rig.store.port import Snapshot, Store

T = TypeVar("T")


class Readings:
    """What waits for a reader's thread. Call it on the event loop."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, asyncio.Future[Any]] = {}

    async def read(self, store: Store, key: Hashable, job: Callable[[Snapshot], T]) -> T:
        """What ``job`` finds in a snapshot that begins after this call; ``key`` says all that it depends on."""
        waiting = self._waiting.get(key)
        if waiting is None:

            def begun(snapshot: Snapshot) -> T:
                self._waiting.pop(key, None)  # before anything is read: who asks from now on may have to see more
                return job(snapshot)

            waiting = self._waiting[key] = asyncio.ensure_future(store.read(begun))
            waiting.add_done_callback(lambda done: self._ended(key, done))
        result: T = await asyncio.shield(waiting)
        return result

    def _ended(self, key: Hashable, done: "asyncio.Future[Any]") -> None:
        if self._waiting.get(key) is done:  # it failed before it began
            del self._waiting[key]
        if not done.cancelled():
            done.exception()  # those who wait for it are told; that nobody waits any more is no error
