"""Readings that have not begun are shared."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from rig.http.readings import Readings
from rig.store.port import Store


class Threads:
    """A store whose reader has one thread, which begins a reading only when it is told to."""

    def __init__(self) -> None:
        self.begin = asyncio.Semaphore(0)
        self.finish = asyncio.Event()
        self.begun = asyncio.Semaphore(0)
        self.written = 0

    async def read(self, job: Callable[[Any], Any]) -> Any:
        await self.begin.acquire()
        found = job(self.written)
        self.begun.release()
        await self.finish.wait()
        return found


@pytest.fixture
async def threads() -> Threads:
    return Threads()


def ask(readings: Readings, threads: Threads, key: str, job: Callable[[Any], Any] = lambda s: s) -> "asyncio.Task[Any]":
    return asyncio.create_task(readings.read(cast(Store, threads), key, job))


async def test_many_who_ask_for_the_same_cost_one_reading(threads: Threads) -> None:
    readings, made = Readings(), list[int]()

    def sums(written: int) -> int:
        made.append(written)
        return written

    asked = [ask(readings, threads, "sum", sums) for _ in range(8)]
    other = ask(readings, threads, "another", lambda s: "another")
    await asyncio.sleep(0)
    threads.begin.release()
    threads.begin.release()
    threads.finish.set()
    assert await asyncio.gather(*asked) == [0] * 8
    assert await other == "another"
    assert made == [0]


async def test_who_asks_after_a_reading_began_gets_one_of_his_own(threads: Threads) -> None:
    """What was committed before a request is in its answer."""
    readings = Readings()
    first = ask(readings, threads, "sum")
    threads.begin.release()
    await threads.begun.acquire()
    threads.written = 1
    second = ask(readings, threads, "sum")
    await asyncio.sleep(0)
    threads.begin.release()
    threads.finish.set()
    assert (await first, await second) == (0, 1)


async def test_a_reading_that_fails_fails_for_all_who_waited_and_for_nobody_later(threads: Threads) -> None:
    readings = Readings()
    threads.finish.set()
    asked = [ask(readings, threads, "sum", lambda s: 1 // s) for _ in range(2)]
    await asyncio.sleep(0)
    threads.begin.release()
    assert [type(e) for e in await asyncio.gather(*asked, return_exceptions=True)] == [ZeroDivisionError] * 2
    again = ask(readings, threads, "sum")
    threads.begin.release()
    assert await again == 0


async def test_one_who_goes_away_takes_the_answer_from_nobody(threads: Threads) -> None:
    readings = Readings()
    asked = [ask(readings, threads, "sum") for _ in range(2)]
    await asyncio.sleep(0)
    asked[0].cancel()
    threads.begin.release()
    threads.finish.set()
    assert await asked[1] == 0
