"""Fixtures of the edge."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from rig.actors.kind import Kind
from rig.actors.system import System
from rig.bus.bus import Bus
from rig.clock import ManualClock
from rig.http.app import make_app
from rig.http.deps import Deps, Hook, HttpSettings
from rig.http.rows import row_encoder
from rig.ids import SeededIds
from rig.model.decide import issue as issue_decisions
from rig.model.health import HealthReport
from rig.model.tables import ISSUES
from rig.store.log import Log
from rig.store.memory import open_memory
from tests.http.edge import OPERATOR_TOKEN, Edge, FakeConfig, FakeLogs, FakeSource, MakeEdge, price


@pytest.fixture
async def make_edge() -> AsyncIterator[MakeEdge]:
    """``await make_edge(auth_mode="required", …)``: settings of the edge by name, other ports by ``deps=``."""
    running: list[tuple[TestClient[Any, Any], System, Log]] = []

    async def make(*, deps: Mapping[str, Any] | None = None, bus: Mapping[str, Any] | None = None, **settings: Any) -> Edge:
        clock, ids = ManualClock(), SeededIds(1)
        store = open_memory(clock=clock, ids=ids)
        system = System(store, clock, ids, [Kind("issue", ISSUES, issue_decisions.decide, issue_decisions.fold)])
        logs = FakeLogs()

        async def healthy() -> HealthReport:
            return HealthReport("Ok", (), clock.now())

        def newest(tenant: str) -> int:
            with store.snapshot() as snapshot:
                return snapshot.as_of(tenant)

        attempts: dict[tuple[str, int] | str, str] = {}
        hook = Hook("github", FakeSource(), ("old-secret", "new-secret"))
        ready = Deps(
            store=store,
            system=system,
            clock=clock,
            ids=ids,
            bus=Bus(newest, row_encoder(store, clock), **(bus or {})),
            price=price,
            logs=logs,
            config=FakeConfig(),
            health=healthy,
            hooks=lambda name: [hook] if name == "github" else [],
            peer_attempt=lambda peer: attempts.get("any"),
            tenants=lambda: ("default", "acme"),
            settings=HttpSettings(operator_token=OPERATOR_TOKEN, **settings),
        )
        ready = replace(ready, **(deps or {}))
        client = TestClient(TestServer(make_app(ready)))
        await client.start_server()
        running.append((client, system, store))
        return Edge(client, store, ready, clock, logs, attempts)

    yield make
    for client, system, store in running:
        await client.close()
        await system.stop()
        await store.close()


@pytest.fixture
async def edge(make_edge: MakeEdge) -> Edge:
    """An edge on loopback, where the client is the local operator."""
    return await make_edge()
