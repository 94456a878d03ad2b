"""Timers: due ones fire once, early ones never, failing ones back off, and nothing spins."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from rig.actors.timers import Handler, Timers
from rig.clock import ManualClock
from rig.errors import OutcomeUnknown, StaleLease, StorageUnavailable, Unavailable
from rig.store.port import Snapshot
from rig.store.units import Timer, Unit
from tests.actors.fakes import HeldStore


class Reads(HeldStore):
    """Counts how often it is read."""

    reads = 0

    async def read(self, job: Callable[[Snapshot], Any]) -> Any:
        self.reads += 1
        return await super().read(job)


@pytest.fixture
async def store() -> AsyncIterator[Reads]:
    store = Reads()
    yield store
    await store.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def fired() -> list[str]:
    return []


async def set_timer(store: HeldStore, clock: ManualClock, key: str, seconds: float) -> Timer:
    timer = Timer(key, clock.now() + int(seconds * 1e6))
    await store.commit(Unit("default", timers=(timer,)))
    return timer


def timers(store: HeldStore, clock: ManualClock, fired: list[str], *, grace: float = 0.0, **handlers: Handler) -> Timers:
    async def consume(tenant: str, timer: Timer) -> None:
        await store.commit(Unit(tenant, timers_fired=(timer,)))
        fired.append(timer.key)

    return Timers(store, clock, {"retry": consume, "lease": consume, **handlers}, grace=grace)


async def test_a_timer_fires_when_it_is_due_and_only_once(store: Reads, clock: ManualClock, fired: list[str]) -> None:
    subject = timers(store, clock, fired)
    await set_timer(store, clock, "retry:a", 5)
    await set_timer(store, clock, "retry:b", 10)
    assert await subject.fire() == pytest.approx(5)
    clock.advance(5)
    assert await subject.fire() == 0
    assert await subject.fire() == pytest.approx(5)
    assert fired == ["retry:a"]
    clock.advance(5)
    await subject.fire()
    assert await subject.fire() == 60
    assert fired == ["retry:a", "retry:b"]


async def test_no_lease_ends_before_one_grace_of_uptime(store: Reads, clock: ManualClock, fired: list[str]) -> None:
    await set_timer(store, clock, "lease:a", -100)
    await set_timer(store, clock, "retry:a", -50)
    subject = timers(store, clock, fired, grace=30)
    await subject.fire()
    assert await subject.fire() == pytest.approx(30)
    assert fired == ["retry:a"]
    clock.advance(30)
    await subject.fire()
    assert fired == ["retry:a", "lease:a"]


async def test_leases_in_their_grace_do_not_hide_other_timers(store: Reads, clock: ManualClock, fired: list[str]) -> None:
    leases = tuple(Timer(f"lease:{n}", clock.now() - 100) for n in range(300))
    await store.commit(Unit("default", timers=leases))
    await set_timer(store, clock, "retry:a", -1)
    await timers(store, clock, fired, grace=30).fire()
    assert fired == ["retry:a"]


@pytest.mark.parametrize("error", [None, RuntimeError("x"), Unavailable(), StaleLease()], ids=repr)
async def test_a_timer_that_its_handler_leaves_standing_backs_off(
    store: Reads, clock: ManualClock, fired: list[str], error: Exception | None
) -> None:
    async def fails(tenant: str, timer: Timer) -> None:
        fired.append(timer.key)
        if error is not None:
            raise error

    subject = timers(store, clock, fired, broken=fails)
    await set_timer(store, clock, "broken:a", 0)
    pauses = []
    for _ in range(9):
        await subject.fire()
        pauses.append(await subject.fire())
        clock.advance(pauses[-1])
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60])
    assert len(fired) == 9


@pytest.mark.parametrize("error", [StorageUnavailable(), OutcomeUnknown()], ids=repr)
async def test_what_the_store_could_not_take_is_tried_soon_after_it_is_back_however_long_it_was_away(
    store: Reads, clock: ManualClock, fired: list[str], error: Exception
) -> None:
    async def fails(tenant: str, timer: Timer) -> None:
        raise error

    subject = timers(store, clock, fired, broken=fails)
    await set_timer(store, clock, "broken:a", 0)
    pauses = []
    for _ in range(9):
        await subject.fire()
        pauses.append(await subject.fire())
        clock.advance(pauses[-1])
    assert pauses == pytest.approx([1, 2, 4, 4, 4, 4, 4, 4, 4])


async def test_one_failing_handler_does_not_keep_others_from_firing(store: Reads, clock: ManualClock, fired: list[str]) -> None:
    async def fails(tenant: str, timer: Timer) -> None:
        raise RuntimeError

    subject = timers(store, clock, fired, broken=fails)
    for n in range(150):
        await set_timer(store, clock, f"broken:{n}", 0)
    await set_timer(store, clock, "retry:a", 0)
    await set_timer(store, clock, "unknown:a", 0)
    for _ in range(5):
        await subject.fire()
    assert fired == ["retry:a"]


async def test_a_moved_timer_is_a_new_one(store: Reads, clock: ManualClock, fired: list[str]) -> None:
    async def fails(tenant: str, timer: Timer) -> None:
        fired.append(timer.key)
        raise RuntimeError

    subject = timers(store, clock, fired, broken=fails)
    await set_timer(store, clock, "broken:a", 0)
    for _ in range(3):
        await subject.fire()
        clock.advance(4)
    await set_timer(store, clock, "broken:a", 10)
    assert await subject.fire() == pytest.approx(10)
    clock.advance(10)
    await subject.fire()
    assert await subject.fire() == pytest.approx(1)


async def test_the_log_wakes_a_sleeper_and_an_idle_one_does_not_spin(
    store: Reads, clock: ManualClock, fired: list[str]
) -> None:
    run = asyncio.ensure_future(timers(store, clock, fired).run())
    await asyncio.sleep(0.05)
    assert store.reads == 1
    await set_timer(store, clock, "retry:a", 0)
    async with asyncio.timeout(5):
        while not fired:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert store.reads <= 5
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_timers_that_are_set_for_later_than_the_next_one_do_not_make_the_store_be_read(
    store: Reads, clock: ManualClock, fired: list[str]
) -> None:
    """Every claim and heartbeat moves a timer."""
    await set_timer(store, clock, "retry:first", 30)
    run = asyncio.ensure_future(timers(store, clock, fired).run())
    await asyncio.sleep(0.05)
    assert store.reads == 1
    for number in range(20):
        await set_timer(store, clock, f"lease:{number}", 40)
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.05)
    assert store.reads == 1
    await set_timer(store, clock, "retry:earlier", 20)
    async with asyncio.timeout(5):
        while store.reads == 1:
            await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
