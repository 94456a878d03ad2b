"""The shared store on PostgreSQL: the contract, and what only a store on a server must do."""

from typing import Any

import pytest

from rig.clock import ManualClock
from rig.store.log import Log
from rig.store.postgres.opening import open_postgres
from tests.contracts.store import StoreContract


class TestPostgresStore(StoreContract):
    @pytest.fixture(autouse=True)
    def database(self, postgres_url: str) -> None:
        self.url = postgres_url

    async def open_store(self, clock: ManualClock, path: Any) -> Log:
        return open_postgres(self.url, clock=clock, ids=self.ids()).log
