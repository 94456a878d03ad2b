"""Everybody on a roster is served by one task, and nobody else is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from rig.reactors.roster import serve_all

LOOK = 0.001


class Service:
    """Serves names and remembers how."""

    def __init__(self, *names: str) -> None:
        self.names = set(names)
        self.began: list[str] = []
        self.ended: list[str] = []
        self.leave = asyncio.Event()
        """Until it is set, nobody who is ended has ended."""
        self.leave.set()
        self.fail: Callable[[str], None] = lambda name: None

    async def serve(self, name: str) -> None:
        self.began.append(name)
        try:
            self.fail(name)
            await asyncio.Event().wait()
        finally:
            await self.leave.wait()
            self.ended.append(name)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(serve_all(lambda: self.names, self.serve, look=LOOK))
        try:
            yield
        finally:
            self.leave.set()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not what():
            await asyncio.sleep(LOOK)


async def looks(number: int) -> None:
    await asyncio.sleep(number * LOOK * 2)


async def test_who_comes_is_served_and_who_goes_is_not_any_more() -> None:
    service = Service("one")
    async with service.running():
        await until(lambda: service.began == ["one"])
        service.names.add("two")
        await until(lambda: service.began == ["one", "two"])
        service.names.remove("one")
        await until(lambda: service.ended == ["one"])
        service.names.add("one")
        await until(lambda: service.began == ["one", "two", "one"])
        assert service.ended == ["one"]
    assert sorted(service.ended) == ["one", "one", "two"]


async def test_who_takes_time_to_end_is_neither_disturbed_nor_served_twice_at_a_time() -> None:
    service = Service("one")
    async with service.running():
        await until(lambda: service.began)
        service.leave.clear()
        service.names.clear()
        await looks(10)
        service.names.add("one")
        await looks(10)
        assert (service.began, service.ended) == (["one"], [])
        service.leave.set()
        await until(lambda: len(service.began) == 2)
        assert service.ended == ["one"]


async def test_one_that_fails_is_begun_again_and_disturbs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    service = Service("good", "bad")

    def fail(name: str) -> None:
        if service.began.count("bad") == 1 and name == "bad":
            raise ValueError("a bug")

    service.fail = fail
    async with service.running():
        await until(lambda: service.began.count("bad") == 2)
        assert service.began.count("good") == 1
        assert service.ended == ["bad"]
    assert [record.getMessage() for record in caplog.records] == ["serving bad failed"]
