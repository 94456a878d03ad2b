"""Those who wait for rows: what wakes them, in which order, and that nothing is kept of them."""

import asyncio

import pytest

from rig.bus.bus import Bus

QUEUE = ("default", "queue", "x")


@pytest.fixture
def bus() -> Bus:
    return Bus(lambda tenant: 0, lambda tenant, view, key, row: row)


async def woken(bus: Bus, *told: tuple[str, str, str], rows: tuple[tuple[str, str | None], ...] = (("queue", None),)) -> bool:
    """Whether one that waits for ``rows`` of the default tenant is woken by a change of those told."""
    with bus.listener("default", *rows) as listener:
        listener.listen()
        bus.publish([], dict.fromkeys(told))
        began = asyncio.get_running_loop().time()
        await listener.wait(0.2)
        return asyncio.get_running_loop().time() - began < 0.1


async def test_a_change_of_the_row_or_of_any_row_of_the_table_wakes_and_no_other(bus: Bus) -> None:
    assert await woken(bus, QUEUE)
    assert await woken(bus, QUEUE, rows=(("queue", "x"),))
    assert await woken(bus, QUEUE, rows=(("streams", "a"), ("queue", None)))
    assert not await woken(bus, ("default", "issues", "x"))
    assert not await woken(bus, ("acme", "queue", "x"))
    assert not await woken(bus, QUEUE, rows=(("queue", "y"),))


async def test_a_change_wakes_once_and_who_listens_anew_waits_for_the_next(bus: Bus) -> None:
    with bus.listener("default", ("queue", None)) as listener:
        listener.listen()
        bus.publish([], {QUEUE: None})
        await listener.wait(60)
        listener.listen()
        waiting = asyncio.ensure_future(listener.wait(60))
        await asyncio.sleep(0.02)
        assert not waiting.done()
        bus.publish([], {QUEUE: None})
        await asyncio.wait_for(waiting, 5)


async def test_those_who_wait_longest_are_woken_first(bus: Bus) -> None:
    order: list[int] = []

    async def wait(number: int) -> None:
        with bus.listener("default", ("queue", None)) as listener:
            listener.listen()
            await listener.wait(60)
            order.append(number)

    async with asyncio.timeout(5):
        waiting = [asyncio.ensure_future(wait(number)) for number in range(50)]
        await asyncio.sleep(0)
        bus.publish([], {QUEUE: None})
        await asyncio.gather(*waiting)
    assert order == list(range(50))


async def test_nothing_is_kept_of_who_has_gone(bus: Bus) -> None:
    for number in range(10):
        assert not await woken(bus, rows=(("queue", None), ("streams", f"agent-{number}")))
    with bus.listener("default", ("queue", None)) as stays, bus.listener("default", ("queue", None)) as goes:
        stays.listen()
        goes.listen()
        goes.__exit__()
        assert [len(waiting) for waiting in bus.listeners.waiting.values()] == [1]
    assert bus.listeners.waiting == {}


async def test_closing_wakes_everybody_for_good(bus: Bus) -> None:
    with bus.listener("default", ("queue", None)) as listener:
        listener.listen()
        waiting = asyncio.ensure_future(listener.wait(60))
        await asyncio.sleep(0)
        bus.close()
        await asyncio.wait_for(waiting, 5)
        listener.listen()
        await asyncio.wait_for(listener.wait(60), 5)
