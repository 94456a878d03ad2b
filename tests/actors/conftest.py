from collections.abc import AsyncIterator

import pytest

from rig.actors.system import Fault, System
from rig.clock import SystemClock
from rig.ids import SystemIds
from tests.actors.fakes import COUNTER, HeldStore


@pytest.fixture
async def store() -> AsyncIterator[HeldStore]:
    store = HeldStore()
    yield store
    await store.close()


@pytest.fixture
def faults() -> list[Fault]:
    return []


@pytest.fixture
def exits() -> list[BaseException]:
    return []


@pytest.fixture
async def system(store: HeldStore, faults: list[Fault], exits: list[BaseException]) -> AsyncIterator[System]:
    system = System(store, SystemClock(), SystemIds(), [COUNTER], on_fault=faults.append, on_exit=exits.append)
    yield system
    store.open.set()
    await system.stop()
