"""Group commit: one thread takes all that waits, runs it as one batch, and answers on the event loop after the commit."""

import asyncio
import contextlib
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from rig.errors import Draining, LogCorrupt, OutcomeUnknown, RigError, StorageUnavailable
from rig.store.batch import Result
from rig.store.engine import Engine
from rig.store.faults import Damaged, StoreFault, SyncFailed, Unsettled, WriteRefused
from rig.store.port import Batch
from rig.store.units import Claim, Unit

log = logging.getLogger(__name__)

MAX_EVENTS = 1024
MAX_BYTES = 4 << 20


class Keeper(Protocol):
    """What the writer's thread does besides batches."""

    def committed(self, engine: Engine) -> None:
        """After each COMMIT that wrote events or timers, before the acks (the head file)."""
        ...

    def idle(self, engine: Engine) -> float | None:
        """When nothing waits; returns seconds until it wants to be called again, None for not before the next batch."""
        ...


class NoKeeper:
    """For stores that keep nothing outside the database."""

    def committed(self, engine: Engine) -> None:
        return None

    def idle(self, engine: Engine) -> float | None:
        return None


class _Entry(msgspec.Struct):
    work: Sequence[Unit | Claim]
    future: "asyncio.Future[list[Result]]"
    cost: int


class Writer:
    """Owns the engine's thread. ``submit`` is called on the event loop, results come back there."""

    def __init__(
        self,
        engine: Engine,
        loop: asyncio.AbstractEventLoop,
        publish: Callable[[Batch], None],
        keeper: Keeper | None = None,
        on_fatal: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._engine = engine
        self._loop = loop
        self._publish = publish
        self._keeper = keeper or NoKeeper()
        self._on_fatal = on_fatal
        self._inbox: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._dead: RigError | None = None
        """Set once no write will ever succeed again; every later unit gets it."""
        self._closing = False
        self._under_way = 0
        """Entries that are not answered yet."""
        self._written = asyncio.Event()
        """Set when there are none."""
        self._thread = threading.Thread(target=self._main, name="rig-writer", daemon=True)
        self._thread.start()

    @property
    def refusal(self) -> RigError | None:
        """Why writes are refused for good, None while they are not."""
        return self._dead

    def refuse(self, error: RigError) -> None:
        """Refuse every write from now on (damage was found elsewhere)."""
        if self._dead is None:
            self._dead = error

    def submit(self, work: Sequence[Unit | Claim]) -> "asyncio.Future[list[Result]]":
        """Queue units for the next batch; they stay together and in order."""
        future: asyncio.Future[list[Result]] = self._loop.create_future()
        if self._closing:
            future.set_exception(Draining())
        elif self._dead is not None:
            future.set_exception(self._dead)
        else:
            cost = sum(sum(len(e.body) + 500 for e in u.events) if isinstance(u, Unit) else 500 for u in work)
            self._inbox.put(_Entry(work, future, cost))
            self._written.clear()
            self._under_way += 1
        return future

    async def pause(self, seconds: float) -> None:
        """Wait for a moment in which nothing is to be written, ``seconds`` at most."""
        if self._under_way:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._written.wait()

    async def close(self) -> None:
        """Run what waits, then end the thread."""
        self._closing = True
        self._inbox.put(None)
        while self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, 1.0)

    # The writer's thread

    def _main(self) -> None:
        waiting: dict[str, deque[_Entry]] = {}
        ending = False
        pause: float | None = None
        while not ending or waiting:
            ending = self._gather(waiting, pause, ending)
            if waiting:
                self._batch(_take(waiting))
                pause = 0.05
            elif not ending:
                pause = self._idle()

    def _gather(self, waiting: dict[str, deque[_Entry]], pause: float | None, ending: bool) -> bool:
        """Move all that was submitted into per-tenant queues; waits when there is nothing. True once told to end."""
        try:
            entry = self._inbox.get_nowait() if waiting or ending else self._inbox.get(timeout=pause)
            while True:
                if entry is None:
                    ending = True
                else:
                    tenant = entry.work[0].tenant if entry.work else ""
                    waiting.setdefault(tenant, deque()).append(entry)
                entry = self._inbox.get_nowait()
        except queue.Empty:
            return ending

    def _idle(self) -> float | None:
        try:
            self._settle()
            return self._keeper.idle(self._engine)
        except StoreFault as fault:
            self._failed([], fault)
            return 1.0 if self._engine.doubted else None

    def _settle(self) -> None:
        """Tell the listeners of a batch in doubt that was stored after all, before anything that comes after it."""
        batch = self._engine.settle()
        if batch is not None:
            self._answer([], batch)

    def _batch(self, entries: list[_Entry]) -> None:
        if self._dead is not None:
            self._answer([(e, self._dead) for e in entries], None)
            return
        work = [item for entry in entries for item in entry.work]
        try:
            self._settle()
            results, batch = self._engine.run(work)
        except StoreFault as fault:
            self._failed(entries, fault)
            return
        except Exception as fault:  # not the database's: run each by itself, so that one cannot fail the others
            if len(entries) > 1:
                log.exception("a batch failed; its units run one by one")
                self._engine.forget()
                for entry in entries:
                    self._batch([entry])
                return
            log.exception("a unit failed")
            self._engine.forget()
            self._answer([(entries[0], StorageUnavailable(f"the store failed: {type(fault).__name__}"))], None)
            return
        try:
            if batch.events or batch.timers_changed:
                self._keeper.committed(self._engine)
        except (OSError, StoreFault) as fault:
            self._failed(entries, SyncFailed(f"the head file cannot be written: {fault}"))
            return
        answers: list[tuple[_Entry, list[Result] | RigError]] = []
        at = 0
        for entry in entries:
            answers.append((entry, results[at : at + len(entry.work)]))
            at += len(entry.work)
        self._answer(answers, batch)

    def _failed(self, entries: list[_Entry], fault: StoreFault) -> None:
        error: RigError
        if isinstance(fault, WriteRefused):
            log.warning("the store cannot be written: %s", fault)
            error = StorageUnavailable(str(fault))
            self._engine.forget()
        elif isinstance(fault, Unsettled):
            log.error("%s", fault)
            error = OutcomeUnknown()
            self._engine.forget()
        elif isinstance(fault, Damaged):
            log.critical("the store is damaged, writes are refused from now on: %s", fault)
            error = self._dead = LogCorrupt(str(fault))
        else:
            log.critical("the outcome of a commit is unknown, stopping: %s", fault)
            error = self._dead = OutcomeUnknown()
            if self._on_fatal is not None:
                self._loop.call_soon_threadsafe(self._on_fatal, fault)
        self._answer([(entry, error) for entry in entries], None)

    def _answer(self, answers: "list[tuple[_Entry, list[Result] | RigError]]", batch: Batch | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._deliver, answers, batch)
        except RuntimeError:  # the loop is gone: nobody waits any more
            log.warning("a commit outlived its event loop")

    # The event loop

    def _deliver(self, answers: "list[tuple[_Entry, list[Result] | RigError]]", batch: Batch | None) -> None:
        self._under_way -= len(answers)
        if not self._under_way:
            self._written.set()
        for entry, answer in answers:
            if entry.future.done():
                continue  # the asker was cancelled; the commit was not
            if isinstance(answer, RigError):
                entry.future.set_exception(answer)
            else:
                entry.future.set_result(answer)
        if batch is not None and (batch.events or batch.rows or batch.timers_changed):
            self._publish(batch)


def _take(waiting: dict[str, deque[_Entry]]) -> list[_Entry]:
    """The next batch: one entry of each tenant in turn, up to the limits, so that none waits behind a flood of another."""
    taken: list[_Entry] = []
    count = size = 0
    while waiting:
        for tenant in list(waiting):
            entries = waiting[tenant]
            entry = entries[0]
            if taken and (count + len(entry.work) > MAX_EVENTS or size + entry.cost > MAX_BYTES):
                return taken
            taken.append(entries.popleft())
            count += len(entry.work)
            size += entry.cost
            if not entries:
                del waiting[tenant]
    return taken
