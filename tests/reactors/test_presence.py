"""Slots are agents: they say that they live, and of their provider's limits only what somebody still keeps up to date."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from rig.clock import ManualClock
from rig.ids import DEFAULT_TENANT, SeededIds
from rig.model.tables import AGENTS
from rig.reactors.presence import Presence
from rig.store.log import Log
from rig.store.memory import open_memory
from rig.work.order import WorkOrder


def order(slot: int, provider: str = "codex") -> WorkOrder:
    return WorkOrder(
        execution=f"e{slot}",
        job=f"ir-{slot}",
        issue=f"acme/app#{slot}",
        agent=f"rig-{slot}",
        lease=f"l{slot}",
        fence=1,
        provider=provider,
        repo="acme/app",
        number=slot,
    )


def told(details: str, provider: str = "codex") -> tuple[dict[str, Any], ...]:
    return ({"name": provider, "status": "ready", "details": details, "active": True},)


@pytest.fixture
async def store() -> AsyncIterator[Log]:
    made = open_memory(clock=ManualClock(), ids=SeededIds(3))
    yield made
    await made.close()


def shown(store: Log, slot: int) -> tuple[dict[str, Any], ...]:
    row = store.get(AGENTS, DEFAULT_TENANT, f"rig-{slot}")
    assert row is not None
    return row.providers


@pytest.mark.rule("R0-33")
async def test_a_slot_says_what_it_works_on_and_with_what(store: Log) -> None:
    await Presence(store).beat(order(1))
    row = store.get(AGENTS, DEFAULT_TENANT, "rig-1")
    assert row is not None
    assert (row.status, row.issue, row.active_provider, row.available_providers) == (
        "working",
        "acme/app#1",
        "codex",
        ("codex",),
    )
    assert row.providers == ()


async def test_limits_hold_for_every_slot_of_the_provider_while_one_of_them_works(store: Log) -> None:
    presence = Presence(store)
    for one in (order(1), order(2), order(3, "claude")):
        await presence.beat(one)
    await presence.limits(order(1), "used: 42 % of 300 minutes")
    await presence.beat(order(2))
    await presence.beat(order(3, "claude"))
    assert shown(store, 1) == shown(store, 2) == told("used: 42 % of 300 minutes")
    assert shown(store, 3) == ()
    await presence.left("rig-1")
    assert shown(store, 1) == ()
    await presence.beat(order(1))
    assert shown(store, 1) == shown(store, 2) == told("used: 42 % of 300 minutes")


async def test_limits_are_forgotten_with_the_last_slot_of_the_provider(store: Log) -> None:
    presence = Presence(store)
    await presence.beat(order(1))
    await presence.limits(order(1), "used: 42 % of 300 minutes")
    await presence.beat(order(2, "claude"))
    await presence.left("rig-1")
    assert shown(store, 1) == ()
    await presence.beat(order(1))
    assert shown(store, 1) == ()


async def test_a_slot_that_shows_no_limits_leaves_without_a_word(store: Log) -> None:
    presence = Presence(store)
    await presence.beat(order(1))
    await presence.left("rig-1")
    events = await store.read(lambda snapshot: snapshot.stream(DEFAULT_TENANT, "rig-1"))
    assert [event.type for event in events] == ["heartbeat"]


async def test_what_a_killed_daemon_showed_is_shown_no_longer(store: Log) -> None:
    killed = Presence(store)
    await killed.limits(order(1), "used: 42 % of 300 minutes")
    await killed.limits(order(2), "used: 43 % of 300 minutes")
    presence = Presence(store)
    await presence.left("rig-1")
    await presence.beat(order(2))
    assert shown(store, 1) == shown(store, 2) == ()
