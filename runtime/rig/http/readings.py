"""Heavy readings: those that have not begun are shared, so many readers of a sum cost little more than one; and only so many are
made at once that the store's other readers are not kept waiting."""

import asyncio
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, TypeVar

from rig.store.port import Snapshot, Store

T = TypeVar("T")


class Readings:
    """What waits for a reader's thread. Call it on the event loop."""

    def __init__(self, at_once: int = 1) -> None:
        self._waiting: dict[Hashable, asyncio.Future[Any]] = {}
        self._turns = asyncio.Semaphore(at_once)

    async def read(self, store: Store, key: Hashable, job: Callable[[Snapshot], T]) -> T:
        """What ``job`` finds in a snapshot that begins after this call; ``key`` says all that it depends on."""
        waiting = self._waiting.get(key)
        if waiting is None:

            def begun(snapshot: Snapshot) -> T:
                self._waiting.pop(key, None)  # before anything is read: who asks from now on may have to see more
                return job(snapshot)

            waiting = self._waiting[key] = asyncio.ensure_future(self._in_turn(store, begun))
            waiting.add_done_callback(lambda done: self._ended(key, done))
        result: T = await asyncio.shield(waiting)
        return result

    async def _in_turn(self, store: Store, job: Callable[[Snapshot], T]) -> T:
        async with self._turns:
            found: T = await store.read(job)
            return found

    def _ended(self, key: Hashable, done: "asyncio.Future[Any]") -> None:
        if self._waiting.get(key) is done:  # it failed before it began
            del self._waiting[key]
        if not done.cancelled():
            done.exception()  # those who wait for it are told; that nobody waits any more is no error


def giving_way(items: Iterable[T], every: int) -> Iterator[T]:
    """The items; after each ``every`` of them other threads may go on, which else wait 5 ms for the interpreter each time."""
    never = threading.Event()
    for number, item in enumerate(items, 1):
        yield item
        if number % every == 0:
            never.wait(0.00001)  # long enough that a thread which waits for the interpreter wakes up and takes it
