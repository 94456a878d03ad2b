"""Blocking calls: on a few threads, with a deadline, and a hanging one costs no more than its thread."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

import pytest

from rig.actors.supervisor import BlockingPool, dump_stacks_on
from rig.errors import Busy, DeadlineExceeded


@pytest.fixture
def pool() -> Iterator[BlockingPool]:
    pool = BlockingPool(threads=2, waiting=2)
    yield pool
    pool.close()


async def test_a_blocking_call_runs_on_a_thread_in_its_callers_context(pool: BlockingPool) -> None:
    who: ContextVar[str] = ContextVar("who")
    who.set("me")
    assert await pool.run(lambda: (threading.current_thread() is threading.main_thread(), who.get()), 5) == (False, "me")


@pytest.mark.parametrize(
    ("raised", "seen"),
    [(ValueError, ValueError), (TimeoutError, TimeoutError), (SystemExit, RuntimeError), (StopIteration, RuntimeError)],
)
async def test_what_it_raises_reaches_the_caller(
    pool: BlockingPool, raised: type[BaseException], seen: type[Exception]
) -> None:
    def fails() -> None:
        raise raised()

    with pytest.raises(seen):
        await pool.run(fails, 5)
    assert await pool.run(lambda: 1, 5) == 1


async def test_hanging_calls_are_given_up_and_further_ones_refused(pool: BlockingPool) -> None:
    release = threading.Event()
    hanging = [asyncio.ensure_future(pool.run(release.wait, 0.1)) for _ in range(2)]
    await asyncio.sleep(0.05)
    waiting = [asyncio.ensure_future(pool.run(lambda: True, 5)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await pool.run(lambda: True, 5)
    assert all(isinstance(r, DeadlineExceeded) for r in await asyncio.gather(*hanging, return_exceptions=True))
    release.set()
    assert await asyncio.gather(*waiting) == [True, True]


def test_a_signal_writes_the_stacks_of_all_threads(tmp_path: Path) -> None:
    with (tmp_path / "stacks").open("w") as file:
        dump_stacks_on(signal.SIGUSR1, file)
        os.kill(os.getpid(), signal.SIGUSR1)
    assert "test_supervisor.py" in (tmp_path / "stacks").read_text()
