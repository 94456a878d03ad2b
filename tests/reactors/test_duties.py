"""Rounds of the duties over a store: pages, tenants, what changed since the round read it, and one effect for two daemons."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from rig.actors.system import System
from rig.clock import ManualClock
from rig.config import Settings
from rig.errors import Conflict
from rig.ids import DEFAULT_TENANT, SeededIds
from rig.model import facts
from rig.model.duties import Rounds
from rig.model.events import NewEvent, encode
from rig.model.health import HealthReport
from rig.model.tables import ISSUES, Query
from rig.reactors import leases
from rig.reactors.duties import PAGE, SILENT, UNCLAIMED, Duties, newest_instant
from rig.store.log import Log
from rig.store.memory import open_memory
from rig.store.port import Snapshot
from rig.store.units import Timer, Unit


class Rig:
    """A store, its actors and the duties on a clock that moves only when told."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store: Log = open_memory(clock=self.clock, ids=SeededIds(3))
        self.system = System(self.store, self.clock, SeededIds(4), leases.KINDS)
        self.duties = self.daemon()

    def daemon(self) -> Duties:
        async def healthy() -> HealthReport:
            return HealthReport("Ok", (), 0)

        return Duties(self.store, self.system, self.clock, Settings, healthy)

    async def post(self, type_: str, number: int = 1, tenant: str = DEFAULT_TENANT, **fields: object) -> None:
        fact = facts.parse({"type": type_, "repo": "acme/app", "issueNumber": number, **fields})
        await self.store.commit(Unit(tenant, (NewEvent(fact.stream, fact.type.name, encode(fact.body)),)))

    async def timer(self, key: str) -> Timer:
        found: Timer | None = await self.store.read(lambda snapshot: snapshot.timer(DEFAULT_TENANT, key))
        assert found is not None
        return found

    async def round(self, key: str) -> int:
        """Fire a duty until its round is over; how often that was."""
        fired = 0
        while True:
            timer = await self.timer(key)
            await self.duties.fire(DEFAULT_TENANT, timer)
            fired += 1
            if msgspec.json.decode((await self.timer(key)).payload, type=Rounds).after is None:
                return fired

    async def begin(self) -> None:
        await self.duties.begin(await self.store.read(newest_instant))

    async def states(self, tenant: str = DEFAULT_TENANT) -> set[tuple[str, str | None]]:
        def job(snapshot: Snapshot) -> set[tuple[str, str | None]]:
            return {(row.state, row.orphan_status) for _, row in snapshot.page(Query(ISSUES, tenant, limit=1000))}

        found: set[tuple[str, str | None]] = await self.store.read(job)
        return found


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    yield rig
    await rig.system.stop()
    await rig.store.close()


@pytest.mark.rule("R0-63")
async def test_a_round_goes_page_by_page_through_every_tenant(rig: Rig) -> None:
    for number in range(1, PAGE + 11):
        await rig.post("WORK_STARTED", number, agentId="dev")
    await rig.post("WORK_STARTED", 1, "other", agentId="dev")
    await rig.begin()
    rig.clock.advance(1800)
    assert await rig.round(SILENT) == 2
    assert await rig.states() == {("in_progress", None)}
    rig.clock.advance(1)
    assert await rig.round(SILENT) == 2
    assert await rig.states() == await rig.states("other") == {("queued", None)}


@pytest.mark.rule("R0-64")
async def test_an_orphan_is_told_after_a_day_and_needs_a_human_after_two(rig: Rig) -> None:
    await rig.begin()
    await rig.post("ISSUE_APPROVED")
    for hours, status in ((24, None), (1, "orphan"), (23, "orphan"), (1, "needs_human"), (99, "needs_human")):
        rig.clock.advance(hours * 3600)
        await rig.round(UNCLAIMED)
        assert await rig.states() == {("queued", status)}


async def test_after_a_start_nobody_is_judged_before_an_interval_nor_for_the_time_that_rig_was_down(rig: Rig) -> None:
    await rig.begin()
    await rig.post("WORK_STARTED", 1, agentId="dev")
    await rig.post("ISSUE_APPROVED", 2)
    rig.clock.advance(10 * 24 * 3600)  # down, or the wall clock was set while it was
    await rig.begin()
    for key in (SILENT, UNCLAIMED):
        assert (await rig.timer(key)).due == rig.clock.now() + 600_000_000
        await rig.round(key)
    assert await rig.states() == {("in_progress", None), ("queued", None)}
    rig.clock.advance(1801)
    await rig.round(SILENT)
    assert await rig.states() == {("queued", None)}


async def test_a_short_stop_does_not_begin_the_count_anew(rig: Rig) -> None:
    await rig.begin()
    await rig.post("WORK_STARTED", 1, agentId="dev")
    for _ in range(4):
        rig.clock.advance(455)
        await rig.begin()
    await rig.round(SILENT)
    assert await rig.states() == {("queued", None)}


async def test_of_two_daemons_that_fire_a_timer_one_moves_it_and_there_is_one_effect(rig: Rig) -> None:
    await rig.begin()
    await rig.post("WORK_STARTED", 1, agentId="dev")
    rig.clock.advance(3600)
    timer = await rig.timer(SILENT)
    results = await asyncio.gather(
        *(daemon.fire(DEFAULT_TENANT, timer) for daemon in (rig.duties, rig.daemon())), return_exceptions=True
    )
    assert sum(isinstance(result, Conflict) for result in results) == 1
    with rig.store.snapshot() as snapshot:
        assert [e.type for e in snapshot.stream(DEFAULT_TENANT, "acme/app#1")] == ["work_started", "agent_stuck"]
