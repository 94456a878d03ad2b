"""Slots are filled from the queue, and what they hold is kept while it runs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rig.clock import ManualClock
from rig.config import Settings
from rig.errors import NotFound
from rig.ids import DEFAULT_TENANT, SeededIds
from rig.model import facts
from rig.model.events import NewEvent, encode
from rig.model.tables import ISSUES
from rig.reactors.dispatch import Dispatch
from rig.reactors.grants import Grants
from rig.reactors.orders import Orders
from rig.reactors.presence import Presence
from rig.store.log import Log
from rig.store.memory import open_memory
from rig.store.units import Unit
from rig.work.order import WorkOrder

SETTINGS = Settings.model_validate(
    {"dispatch": {"enabled": True, "provider": "mock"}, "executor": {"slots": 2, "lease_seconds": 1}}
)


class Work:
    """An executor and the gates before it: what is begun runs until it is ended."""

    def __init__(self) -> None:
        self.begun: list[WorkOrder] = []

    async def admit(self, order: WorkOrder) -> tuple[WorkOrder, None, float]:
        return order, None, 0.0

    def start(self, order: WorkOrder) -> None:
        self.begun.append(order)

    async def shutdown(self) -> None:
        self.begun.clear()


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
            await self.dispatch.ended(next(other for other in self.work.begun if other.lease != order.lease))
        await super().beat(order)


@pytest.fixture
async def store() -> AsyncIterator[Log]:
    made = open_memory(clock=ManualClock(), ids=SeededIds(3))
    for number in (1, 2):
        fact = facts.parse({"type": "ISSUE_APPROVED", "repo": "acme/app", "issueNumber": number})
        await made.commit(Unit(DEFAULT_TENANT, (NewEvent(fact.stream, fact.type.name, encode(fact.body)),)))
    yield made
    await made.close()


@asynccontextmanager
async def dispatching(store: Log, work: Any, presence: Presence, grants: Callable[[str], Grants]) -> AsyncIterator[Dispatch]:
    system: Any = None  # nothing is given back
    orders = Orders(store, grants, SeededIds(4))
    dispatch = Dispatch(store, system, work, lambda: SETTINGS, orders, presence, work, ManualClock(), SeededIds(5))
    running = asyncio.create_task(dispatch.run())
    try:
        yield dispatch
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not what():
            await asyncio.sleep(0.01)


def nothing(provider: str) -> Grants:
    return Grants({}, ())


async def test_an_issue_stays_in_the_queue_while_a_secret_of_its_session_is_missing(
    store: Log, caplog: pytest.LogCaptureFixture
) -> None:
    work, asked, missing = Work(), [], True

    def grants(provider: str) -> Grants:
        asked.append(provider)
        if missing:
            raise NotFound("there is no secret MOCK_KEY")
        return Grants({"MOCK_KEY": "abc"}, ("abc",))

    async with dispatching(store, work, Presence(store), grants):
        await until(lambda: len(asked) == 2)
        for number in (1, 2):
            row = store.get(ISSUES, DEFAULT_TENANT, f"acme/app#{number}")
            assert row is not None
            assert (row.state, row.attempt) == ("queued", 1)
        missing = False
        await until(lambda: len(work.begun) == 2)
    assert [(order.issue, order.environment["MOCK_KEY"], order.secrets) for order in work.begun] == [
        ("acme/app#1", "abc", ("abc",)),
        ("acme/app#2", "abc", ("abc",)),
    ]
    assert [record.getMessage() for record in caplog.records] == ["dispatch waits: there is no secret MOCK_KEY"]


async def test_an_order_that_ends_while_others_are_kept_is_not_said_to_be_worked_on(store: Log) -> None:
    work, presence = Work(), EndingTheOther(store)
    async with dispatching(store, work, presence, nothing) as dispatch:
        presence.dispatch, presence.work = dispatch, work
        await until(lambda: len(presence.said) == 4)
    assert presence.said[:2] == ["rig-1", "rig-2"]
    assert presence.said[2] == presence.said[3] != "rig-2"
