"""The door to the actors: activation, passivation, bounds, deadlines and the stop."""

import asyncio
from typing import Any

import pytest

from rig.actors.system import System
from rig.clock import SystemClock
from rig.errors import Busy, DeadlineExceeded, Draining
from rig.ids import SystemIds
from rig.model.rows import IssueRow
from rig.model.tables import ISSUES
from rig.store.units import Unit
from tests.actors.fakes import CALL, COUNTER, ISSUE, Count, HeldStore, counted, number


def system_with(store: HeldStore, **limits: int) -> System:
    return System(store, SystemClock(), SystemIds(), [COUNTER], **limits)  # type: ignore[arg-type]


async def test_resting_actors_give_way_oldest_first_and_lose_nothing(store: HeldStore) -> None:
    system = system_with(store, max_active=3)
    for n in range(10):
        await system.ask("issue", CALL, f"acme/app#{n}", Count())
    assert system.active == 3
    for n in range(10):
        await system.ask("issue", CALL, f"acme/app#{n}", Count(only_from=1))
    assert system.active == 3
    await system.stop()


async def test_busy_actors_never_give_way(store: HeldStore) -> None:
    system = system_with(store, max_active=2)
    store.open.clear()
    keys = [f"acme/app#{n}" for n in range(5)]
    asks = [asyncio.ensure_future(system.ask("issue", CALL, key, Count())) for key in keys]
    await asyncio.sleep(0.01)
    assert system.active == 5
    asks += [asyncio.ensure_future(system.ask("issue", CALL, key, Count())) for key in keys]
    await asyncio.sleep(0.01)
    store.open.set()
    await asyncio.gather(*asks)
    assert [store.count(key) for key in keys] == [2] * 5
    assert all(unit.expect[next(iter(unit.expect))] in (0, 1) for turn in store.turns for unit in turn)
    await system.ask("issue", CALL, "acme/app#9", Count())
    await system.ask("issue", CALL, "acme/app#8", Count())
    assert system.active <= 2
    await system.stop()


async def test_a_thousand_touched_issues_cost_what_may_stay(store: HeldStore) -> None:
    system = system_with(store, max_active=50)
    await asyncio.gather(*(system.ask("issue", CALL, f"acme/app#{n}", Count()) for n in range(1000)))
    await system.ask("issue", CALL, "acme/app#0", Count(only_from=1))
    for n in range(30):
        await system.ask("issue", CALL, f"acme/app#{n}", Count())
    assert system.active <= 50
    await system.stop()


async def test_after_the_deadline_the_command_is_stored_all_the_same(system: System, store: HeldStore) -> None:
    store.open.clear()
    with pytest.raises(DeadlineExceeded):
        await system.ask("issue", CALL, ISSUE, Count(), deadline=0.01)
    assert system.waiting == 0
    store.open.set()
    await system.ask("issue", CALL, ISSUE, Count(only_from=1))


async def test_more_asks_than_may_wait_are_refused(store: HeldStore) -> None:
    system = system_with(store, max_waiting=3)
    store.open.clear()
    asks = [asyncio.ensure_future(system.ask("issue", CALL, ISSUE, Count())) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await system.ask("issue", CALL, ISSUE, Count())
    store.open.set()
    await asyncio.gather(*asks)
    await system.ask("issue", CALL, ISSUE, Count())
    await system.stop()


async def test_more_messages_than_one_inbox_holds_are_refused(store: HeldStore) -> None:
    system = system_with(store, inbox_limit=2)
    store.open.clear()
    first = asyncio.ensure_future(system.ask("issue", CALL, ISSUE, Count()))
    await asyncio.sleep(0.01)
    rest = [asyncio.ensure_future(system.ask("issue", CALL, ISSUE, Count())) for _ in range(3)]
    done = asyncio.gather(first, *rest, return_exceptions=True)
    await asyncio.sleep(0)
    store.open.set()
    assert [isinstance(result, Busy) for result in await done] == [False, False, False, True]
    assert system.waiting == 0
    await system.stop()


async def test_stopping_ends_turns_under_way_and_refuses_the_rest(system: System, store: HeldStore) -> None:
    store.open.clear()
    begun = asyncio.ensure_future(system.ask("issue", CALL, ISSUE, Count()))
    await asyncio.sleep(0.01)
    queued = asyncio.ensure_future(system.ask("issue", CALL, ISSUE, Count()))
    await asyncio.sleep(0.01)
    stop = asyncio.ensure_future(system.stop())
    await asyncio.sleep(0.01)
    assert not stop.done()
    with pytest.raises(Draining):
        await queued
    with pytest.raises(Draining):
        await system.ask("issue", CALL, ISSUE, Count())
    store.open.set()
    await stop
    assert begun.done()
    await begun
    assert store.count() == 1


async def test_tenants_do_not_meet(system: System, store: HeldStore) -> None:
    await system.ask("issue", CALL, ISSUE, Count())
    other = CALL.__class__(tenant="other")
    committed = await system.ask("issue", other, ISSUE, Count(only_from=0))
    assert committed.events[0].tenant == "other"
    assert number(store.get(ISSUES, "other", ISSUE)) == 1


async def test_a_row_that_other_streams_changed_is_read_anew(system: System, store: HeldStore) -> None:
    """A resting actor hears of its row as well as of its stream: folds of other streams may touch it."""
    seen: list[int] = []

    def look(row: IssueRow | None, context: Any) -> None:
        seen.append(number(row))

    await system.ask("issue", CALL, ISSUE, Count())
    (actor,) = system._actors.values()
    actor.hear(0, IssueRow(stream=ISSUE, branch="7"))
    await system.ask("issue", CALL, ISSUE, look)
    assert seen == [1]
    await store.commit(Unit("default", (counted(5),)))
    await system.ask("issue", CALL, ISSUE, look)
    assert seen == [1, 5]
