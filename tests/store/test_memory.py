from typing import Any

from rig.clock import ManualClock
from rig.store.log import Log
from rig.store.memory import open_memory
from tests.contracts.store import StoreContract


class TestMemoryStore(StoreContract):
    async def open_store(self, clock: ManualClock, path: Any) -> Log:
        return open_memory(clock=clock, ids=self.ids())
