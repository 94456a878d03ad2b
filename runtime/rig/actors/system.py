"""The door to the actors: finds or makes the one of a stream, bounds what waits, and keeps their faults in the log."""

import asyncio
import logging
import traceback
from asyncio import Task
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from rig.actors.base import RigActor
from rig.actors.dispatcher import INBOX_LIMIT, Dispatcher
from rig.actors.kind import Ask, Host, Kind
from rig.actors.stream import StreamActor
from rig.clock import Clock
from rig.errors import Busy, DeadlineExceeded, Draining
from rig.ids import Ids
from rig.model.call import Call
from rig.model.events import NewEvent, encode
from rig.store.port import Batch, Store
from rig.store.units import Committed, Cursor, Outcome, Unit

log = logging.getLogger("rig.actors")

FAULTS = "faults"
"""Reserved stream of ``actor_faulted``."""

FAULT_INTERVAL = 1.0
"""Seconds between two fault events; what comes in between is counted in the next."""


@dataclass(frozen=True)
class Fault:
    """An actor raised something that is not a RigError."""

    kind: str
    tenant: str
    key: str
    error: BaseException

    @property
    def where(self) -> str:
        """Module file, line and function of the innermost frame; the message stays out, as it may quote anything."""
        frames = traceback.extract_tb(self.error.__traceback__)
        return f"{PurePath(frames[-1].filename).name}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""


class System:
    """The actors of a daemon. Make it on the running loop; only edges and reactors ask, actors never do.

    ``max_active`` actors stay in memory, the longest unused resting ones give way; busy ones never do, so under load there
    may be more. ``max_waiting`` asks may wait in all, ``inbox_limit`` for one actor; further ones get Busy.
    ``on_fault`` is told of each fault, ``on_exit`` of SystemExit and KeyboardInterrupt out of a decision.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        kinds: Sequence[Kind[Any]],
        *,
        max_active: int = 10_000,
        max_waiting: int = 20_000,
        inbox_limit: int = INBOX_LIMIT,
        config_version: Callable[[], int] = lambda: 0,
        on_fault: Callable[[Fault], None] = lambda fault: None,
        on_exit: Callable[[BaseException], None] = lambda error: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._kinds = {kind.name: kind for kind in kinds}
        self._by_table = {kind.table.name: kind.name for kind in kinds}
        self._max_active = max_active
        self._max_waiting = max_waiting
        self._on_fault = on_fault
        self._loop = asyncio.get_running_loop()
        dispatcher = Dispatcher(self._loop, on_exit)
        self._host = Host(store, clock, ids, dispatcher, self._faulted, config_version, inbox_limit)
        self._actors: OrderedDict[tuple[str, str, str], StreamActor] = OrderedDict()
        self._waiting = 0
        self._stopping = False
        self._fault_told: float | None = None
        self._faults_untold = 0
        self._telling: set[Task[None]] = set()
        self._unlisten = store.listen(self._hear)

    @property
    def active(self) -> int:
        """How many actors are in memory."""
        return len(self._actors)

    @property
    def waiting(self) -> int:
        """How many asks wait for their answer."""
        return self._waiting

    async def ask(
        self,
        kind: str,
        call: Call,
        key: str,
        command: Any,
        *,
        expected_version: int | None = None,
        outcome: Callable[[Committed], Outcome] | None = None,
        cursors: tuple[Cursor, ...] = (),
        deadline: float = 10.0,
    ) -> Committed:
        """Have a command decided by the actor of stream ``key`` of the call's tenant; returns once it is safe on disk.

        ``expected_version`` refuses with VersionConflict if the stream has another. ``outcome`` makes the answer (that a
        repeat of the call's idempotency key gets again) if the decision brings none. ``cursors`` move in the same unit: a
        reactor's effect happens once. Raises what the decision refuses with, what ``Store.commit`` raises, Busy, Draining, ActorFault, and DeadlineExceeded after ``deadline`` seconds. Neither
        the deadline nor a cancelled caller stops the command: it is decided and stored as if someone waited.
        """
        if self._stopping:
            raise Draining
        if self._waiting >= self._max_waiting:
            raise Busy
        actor = self._activate(kind, call.tenant, key)
        reply = actor.actor_ref.ask(Ask(command, call, expected_version, outcome, cursors), block=False)
        self._waiting += 1
        try:
            async with asyncio.timeout(deadline):
                committed: Committed = await reply
        except TimeoutError:
            raise DeadlineExceeded from None
        finally:
            self._waiting -= 1
            self._passivate(self._max_active)
        return committed

    async def stop(self) -> None:
        """Refuse new asks and those not begun with Draining, and wait for the turns whose commit is under way."""
        self._stopping = True
        for actor in self._actors.values():
            actor.close()
        turns = [actor.turn for actor in self._actors.values() if actor.turn is not None]
        if turns or self._telling:
            await asyncio.wait([*turns, *self._telling])
        self._unlisten()
        self._actors.clear()

    def _activate(self, kind: str, tenant: str, key: str) -> StreamActor:
        address = (kind, tenant, key)
        actor = self._actors.get(address)
        if actor is None:
            self._passivate(self._max_active - 1)
            actor = StreamActor(self._host, self._kinds[kind], tenant, key)
            actor._start_actor_loop()
            self._actors[address] = actor
        else:
            self._actors.move_to_end(address)
        return actor

    def _passivate(self, to: int) -> None:
        """Let go of resting actors, longest unused first, until ``to`` are left; their state is a row."""
        surplus = len(self._actors) - to
        for _ in range(min(2 * surplus, 64)):  # more than one, to catch up after a time when all were busy
            if len(self._actors) <= to:
                break
            address, actor = next(iter(self._actors.items()))
            if actor.busy:
                self._actors.move_to_end(address)
            else:
                del self._actors[address]

    def _hear(self, batch: Batch) -> None:
        """Tell the actors in memory what the log says of their streams."""
        actors = self._actors
        if not actors:
            return
        for event in batch.events:
            for kind in self._kinds:
                actor = actors.get((kind, event.tenant, event.stream))
                if actor is not None:
                    actor.hear(event.version)
        for (tenant, table, key), row in batch.rows.items():
            name = self._by_table.get(table)
            actor = None if name is None else actors.get((name, tenant, key))
            if actor is not None:
                actor.hear(0, row)

    def _faulted(self, actor: RigActor, error: BaseException) -> None:
        assert isinstance(actor, StreamActor)
        fault = Fault(actor.kind.name, actor.tenant, actor.key, error)
        log.error("%s %s raised %s at %s", fault.kind, fault.key, type(error).__name__, fault.where)
        log.debug("Fault", exc_info=error)
        now = self._clock.monotonic()
        if self._fault_told is not None and now - self._fault_told < FAULT_INTERVAL:
            self._faults_untold += 1
        else:
            self._fault_told = now
            task = self._loop.create_task(self._record(fault, self._faults_untold))
            self._faults_untold = 0
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)
        self._on_fault(fault)

    async def _record(self, fault: Fault, untold: int) -> None:
        """Write a fault into the log, as well as that is possible while things fail."""
        body = {
            "kind": fault.kind,
            "key": fault.key,
            "error": type(fault.error).__name__,
            "where": fault.where,
            "untold": untold,
        }
        event = NewEvent(FAULTS, "actor_faulted", encode(body))
        try:
            await self._store.commit(Unit(fault.tenant, (event,), operation="actor_fault"))
        except Exception as error:  # noqa: BLE001  # the fault itself is logged and answered already
            log.warning("The fault could not be recorded: %s", error)
