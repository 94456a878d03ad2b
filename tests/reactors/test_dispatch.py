"""Slots are filled from the queue, and what they hold is kept while it runs."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rig.clock import ManualClock
from rig.config import Settings
from rig.ids import DEFAULT_TENANT, SeededIds
from rig.model import facts
from rig.model.events import NewEvent, encode
from rig.reactors.dispatch import Dispatch
from rig.reactors.orders import Orders
from rig.reactors.presence import Presence
from rig.store.log import Log
from rig.store.memory import open_memory
from rig.store.units import Committed, Unit
from rig.work.order import WorkOrder

SETTINGS = Settings.model_validate(
    {"dispatch": {"enabled": True, "provider": "mock"}, "executor": {"slots": 2, "lease_seconds": 1}}
)


class Work:
    """An executor, the gates before it and the orders for it: what is begun runs until it is ended."""

    def __init__(self) -> None:
        self.begun: list[WorkOrder] = []

    async def admit(self, order: WorkOrder) -> tuple[WorkOrder, None, float]:
        return order, None, 0.0

    def start(self, order: WorkOrder) -> None:
        self.begun.append(order)

    async def shutdown(self) -> None:
        self.begun.clear()


class Unprepared(Orders):
    """Orders with nothing in them but whose they are."""

    def __init__(self) -> None: ...

    async def make(self, claimed: Committed, lease_id: str, agent: str, settings: Settings) -> WorkOrder:
        return WorkOrder(
            execution=f"e-{agent}",
            job="ir-1",
            issue=claimed.events[-1].stream,
            agent=agent,
            lease=lease_id,
            fence=1,
            provider="mock",
        )

    async def with_words(self, order: WorkOrder) -> WorkOrder:
        return order


class EndingTheOther(Presence):
    """The second round's first heartbeat comes when another order has just ended."""

    dispatch: Dispatch
    work: Work

    def __init__(self, store: Log) -> None:
        super().__init__(store)
        self.said: list[str] = []

    async def beat(self, order: WorkOrder) -> None:
        self.said.append(order.agent)
        if len(self.said) == 3:
            await self.dispatch.ended(next(other for other in self.work.begun if other is not order))
        await super().beat(order)


@pytest.fixture
async def store() -> AsyncIterator[Log]:
    made = open_memory(clock=ManualClock(), ids=SeededIds(3))
    for number in (1, 2):
        fact = facts.parse({"type": "ISSUE_APPROVED", "repo": "acme/app", "issueNumber": number})
        await made.commit(Unit(DEFAULT_TENANT, (NewEvent(fact.stream, fact.type.name, encode(fact.body)),)))
    yield made
    await made.close()


async def test_an_order_that_ends_while_others_are_kept_is_not_said_to_be_worked_on(store: Log) -> None:
    work: Any = Work()
    presence = EndingTheOther(store)
    system: Any = None
    dispatch = Dispatch(store, system, work, lambda: SETTINGS, Unprepared(), presence, work, ManualClock(), SeededIds(4))
    presence.dispatch, presence.work = dispatch, work
    running = asyncio.create_task(dispatch.run())
    try:
        async with asyncio.timeout(10):
            while len(presence.said) < 4:
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert presence.said[:2] == ["rig-1", "rig-2"]
    assert presence.said[2] == presence.said[3] != "rig-2"
