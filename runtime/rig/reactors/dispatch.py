"""Runs queued issues: hands them to the executor's free slots, keeps their leases, and cancels what lost its lease.

Everything it does goes through the log: a slot claims like any agent, and what a session reports becomes facts and commands.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping

from rig.actors.system import System
from rig.clock import Clock
from rig.config import Settings
from rig.errors import Conflict, RigError, StaleLease
from rig.ids import DEFAULT_TENANT, Ids
from rig.model.call import Call
from rig.model.decide import issue as commands
from rig.model.decide.held import lease_payload
from rig.model.events import NewEvent, encode
from rig.model.rows import LeaseRow, QueueRow, SteerRow
from rig.model.tables import STREAMS
from rig.plugin.provider import Steer
from rig.reactors.gates import Gates
from rig.reactors.orders import Orders
from rig.reactors.presence import AGENT, Presence, agent_name
from rig.store.port import Batch, Store
from rig.store.units import Claim, Timer, Unit
from rig.work.executor import Executor
from rig.work.order import WorkOrder

log = logging.getLogger(__name__)

CALL = Call(tenant=DEFAULT_TENANT, principal="system", operation="dispatch")


class Dispatch:
    """The reactor between queue and executor; ``run`` until cancelled."""

    def __init__(
        self,
        store: Store,
        system: System,
        executor: Executor,
        settings: Callable[[], Settings],
        orders: Orders,
        presence: Presence,
        gates: Gates,
        clock: Clock,
        ids: Ids,
    ) -> None:
        """``gates`` ask plugins whether an order may be run."""
        self._store = store
        self._system = system
        self._executor = executor
        self._settings = settings
        self._orders = orders
        self._presence = presence
        self._gates = gates
        self._clock = clock
        self._ids = ids
        self._news = asyncio.Event()
        self._running: dict[str, WorkOrder] = {}
        """By lease."""
        self._groups: dict[str, int] = {}
        self._draining = False
        self._filling = asyncio.Lock()

    # Waking up

    def hear(self, batch: Batch) -> None:
        """A store listener: something may be claimed, or a lease of ours is no more."""
        for (tenant, table, key), row in batch.rows.items():
            if table == "queue" and isinstance(row, QueueRow) or table == "streams" and key.startswith(AGENT):
                self._news.set()
            elif table == "leases" and isinstance(row, LeaseRow) and row.state != "live" and key in self._running:
                self._executor.cancel(self._running[key].execution, row.reason or row.state)
            elif table == "steers" and isinstance(row, SteerRow) and row.state == "pending":
                for order in self._running.values():
                    if (order.tenant, order.issue) == (tenant, row.issue):  # one that has not begun yet finds it when it does
                        self._executor.steer(order.execution, Steer(row.id, row.message))

    def wake(self) -> None:
        """Look at the queue again: a slot is free, a wait is over, the configuration changed."""
        self._news.set()

    async def run(self) -> None:
        """Fill free slots whenever there may be work; keep leases alive beside it."""
        keeping, told = asyncio.create_task(self._keep_leases()), ""
        try:
            while True:
                self._news.clear()
                try:
                    async with self._filling:
                        while await self._fill():
                            pass
                except RigError as error:
                    if error.message != told:
                        log.warning("dispatch waits: %s", error.message)
                    told = error.message
                    await asyncio.sleep(1)
                    continue
                told = ""
                await self._news.wait()
        finally:
            keeping.cancel()

    async def stop(self) -> None:
        """Hand out nothing more, then end what runs as interrupted; their issues are queued again (I32)."""
        self._draining = True
        async with self._filling:
            pass  # what was claimed has begun
        await self._executor.shutdown()

    def groups(self) -> Mapping[str, int]:
        """Running executions with their newest process group, 0 where none has started yet."""
        return {o.execution: self._groups.get(o.execution, 0) for o in self._running.values()}

    def spawned(self, order: WorkOrder, process_group: int) -> None:
        """A program of an order has started."""
        self._groups[order.execution] = process_group

    # Handing out

    async def _fill(self) -> bool:
        """Claim for one free slot; False when there is no slot, no work, or dispatch is off."""
        settings = self._settings()
        busy = {order.agent for order in self._running.values()}
        limit = min(settings.executor.slots, settings.dispatch.max_concurrent)
        if not settings.dispatch.enabled or self._draining or len(busy) >= limit:
            return False
        free = [name for slot in range(1, limit + 1) if (name := agent_name(slot)) not in busy]
        agent = next((name for name in free if self._is_called(name)), free[0])
        grants = self._orders.grants(settings.dispatch.provider)  # before the claim: what can't be run stays in the queue
        lease = self._ids.uuid()
        claimed = await self._store.claim(
            Claim(
                DEFAULT_TENANT,
                agent,
                lease,
                self._ids.job(),
                settings.executor.lease_seconds,
                provider=settings.dispatch.provider,
                operation="dispatch",
            )
        )
        if claimed is None:
            return False
        await self._start(await self._orders.make(claimed, lease, agent, settings, grants))
        return True

    def _is_called(self, agent: str) -> bool:
        """Whether something was assigned to this very slot."""
        stream = self._store.get(STREAMS, DEFAULT_TENANT, agent)
        return stream is not None and stream.waiting > 0

    async def _start(self, order: WorkOrder) -> None:
        self._running[order.lease] = order  # also while plugins are asked: a lost lease is heard of, and the slot is taken
        order, veto, seconds = await self._gates.admit(order)
        if self._running.get(order.lease) is None:
            return
        if veto is not None:
            await self._give_back(order, veto, seconds)
            return
        self._running[order.lease] = order
        await self._presence.beat(order)
        self._executor.start(await self._orders.with_words(order))

    async def _give_back(self, order: WorkOrder, why: str, seconds: float) -> None:
        """Release what a plugin does not want run; the attempt does not count, as no work was begun."""
        release = commands.Release(
            reason=f"held back by {why}",
            lease=order.lease,
            fence=order.fence,
            retry_at=self._clock.now() + int(seconds * 1e6),
            counted=False,
        )
        try:
            await self._system.ask("issue", CALL, order.issue, release)
        except Conflict as error:
            log.info("%s was held back after its lease: %s", order.issue, error.message)
        revoked = NewEvent("keys", "key_revoked", encode({"id": f"attempt-{order.execution}"}))
        await self._store.commit(Unit(DEFAULT_TENANT, (revoked,), operation="dispatch"))
        await self.ended(order)

    async def ended(self, order: WorkOrder) -> None:
        """An order is over and reported: its slot is free."""
        self._running.pop(order.lease, None)
        self._groups.pop(order.execution, None)
        self.wake()
        await self._presence.left(order.agent)

    # Leases

    async def _keep_leases(self) -> None:
        """Move the timers of all running orders, three times in a lease's life."""
        while True:
            await asyncio.sleep(self._settings().executor.lease_seconds / 3)
            seconds = self._settings().executor.lease_seconds
            due = self._clock.now() + seconds * 1_000_000
            for order in list(self._running.values()):
                if order.lease not in self._running:  # it has ended while others were kept
                    continue
                await self._presence.beat(order)
                timer = Timer(f"lease:{order.lease}", due, lease_payload(order.issue, order.fence))
                try:
                    await self._store.commit(Unit(order.tenant, timers=(timer,), fences=((order.lease, order.fence),)))
                except StaleLease:
                    self._executor.cancel(order.execution, "the lease was lost")
                except RigError as error:
                    log.warning("the lease of %s could not be kept: %s", order.issue, error.message)
