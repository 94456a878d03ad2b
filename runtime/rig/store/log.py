"""The store that every backend shares: commits through the writer, reads in snapshots, listeners and the tail."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Protocol

from rig.clock import Clock, SystemClock
from rig.errors import RigError
from rig.ids import Ids, SystemIds
from rig.model.events import Event
from rig.model.tables import R, Table
from rig.store.backend import Backend
from rig.store.batch import Result
from rig.store.engine import Engine
from rig.store.port import Batch, Listener, Snapshot
from rig.store.units import Claim, Committed, Unit
from rig.store.writer import Keeper, Writer

TAIL_PAGE = 500


def _log_page(snapshot: Snapshot, after: int) -> list[Event]:
    return snapshot.log(after, TAIL_PAGE)


class Reader(Protocol):
    """How a backend is read beside its writer."""

    gives_way: float
    """Seconds, at most, for which what is asked for in ``run`` waits for commits that are under way; 0: it does not."""

    def snapshot(self) -> AbstractContextManager[Snapshot]: ...

    def get(self, table: Table[R], tenant: str, key: str) -> R | None: ...

    async def run(self, job: Callable[[Snapshot], Any]) -> Any: ...

    def close(self) -> None: ...


class Log:
    """A log on some backend (``rig.store.port.Store``). Made by ``open_memory`` or ``open_sqlite`` on a running event loop."""

    def __init__(
        self,
        backend: Backend,
        reader: Reader,
        *,
        clock: Clock | None = None,
        ids: Ids | None = None,
        keeper: Keeper | None = None,
        on_fatal: Callable[[BaseException], None] | None = None,
        closing: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self._reader = reader
        self._closing = closing
        self._listeners: list[Listener] = []
        self._engine = Engine(backend, self.clock, ids or SystemIds())
        self._writer = Writer(self._engine, asyncio.get_running_loop(), self._publish, keeper, on_fatal)
        self._closed = False

    @property
    def writable(self) -> bool:
        return self._writer.refusal is None

    @property
    def refusal(self) -> RigError | None:
        """Why writes are refused for good, None while they are not."""
        return self._writer.refusal

    def refuse(self, error: RigError) -> None:
        """Go read-only: damage was found."""
        self._writer.refuse(error)

    async def commit(self, unit: Unit) -> Committed:
        result = (await self._writer.submit((unit,)))[0]
        if isinstance(result, Exception):
            raise result
        assert result is not None
        return result

    async def commit_many(self, units: Sequence[Unit]) -> list[Committed | Exception]:
        if not units:
            return []
        return [r for r in await self._writer.submit(units) if r is not None]

    async def claim(self, claim: Claim) -> Committed | None:
        result: Result = (await self._writer.submit((claim,)))[0]
        if isinstance(result, Exception):
            raise result
        return result

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        return self._reader.snapshot()

    async def read(self, job: Callable[[Snapshot], Any]) -> Any:
        if self._reader.gives_way:
            await self._writer.pause(self._reader.gives_way)
        return await self._reader.run(job)

    def get(self, table: Table[R], tenant: str, key: str) -> R | None:
        return self._reader.get(table, tenant, key)

    def listen(self, listener: Listener) -> Callable[[], None]:
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    def _publish(self, batch: Batch) -> None:
        for listener in tuple(self._listeners):
            listener(batch)

    async def tail(self, after_position: int) -> AsyncIterator[Sequence[Event]]:
        news = asyncio.Event()
        stop = self.listen(lambda _: news.set())
        try:
            while True:
                news.clear()
                page: list[Event] = await self.read(partial(_log_page, after=after_position))
                if page:
                    after_position = page[-1].position
                    yield page
                else:
                    await news.wait()
        finally:
            stop()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._writer.close()
        self._reader.close()
        if self._closing is not None:
            await self._closing()
