"""Calls into plugins as the daemon makes them: coroutines on the loop, plain functions on a thread, both with a deadline."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from rig.plugin.guard import FAREWELL, handed, in_thread
from rig.testing.suite import must

GAP = 0.6
"""Seconds without a turn of the event loop that count as blocked; a busy machine has shorter ones."""


@dataclass(frozen=True)
class Outcome:
    """How a call ended."""

    answer: Any = None
    error: Exception | None = None
    late: bool = False
    """Whether it had not ended in time; it was cancelled then."""


async def call(function: Callable[..., Any], *args: Any) -> Any:
    """The answer of a plugin's function or coroutine. Raises what it raises; SystemExit and the like as AssertionError."""
    try:
        if inspect.iscoroutinefunction(function):
            return await function(*args)
        answer = await asyncio.wrap_future(in_thread(function, *args))
        return await answer if isinstance(answer, Awaitable) else answer
    except (Exception, asyncio.CancelledError):
        raise
    except BaseException as error:
        raise AssertionError(f"it raised {type(error).__name__}, which would end a program") from error


async def attempt(function: Callable[..., Any], *args: Any, seconds: float) -> Outcome:
    """Call a plugin and say how that went. Raises AssertionError for what no plugin may raise."""
    task = asyncio.ensure_future(call(function, *map(handed, args)))
    await asyncio.wait({task}, timeout=seconds)
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=FAREWELL)
        return Outcome(late=True)
    if task.cancelled():
        raise AssertionError("it cancelled itself")
    error = task.exception()
    if isinstance(error, AssertionError) and isinstance(error.__cause__, BaseException):
        raise error
    return Outcome(error=error) if isinstance(error, Exception) else Outcome(task.result())


async def ends_when_cancelled(name: str, function: Callable[..., Any], *args: Any, after: float = 0.1) -> None:
    """Call, cancel ``after`` some seconds, and fail unless the call ends within the second that the daemon gives it."""
    task = asyncio.ensure_future(call(function, *args))
    await asyncio.wait({task}, timeout=after)
    task.cancel()
    await asyncio.wait({task}, timeout=FAREWELL)
    must(task.done(), f"{name}: still running {FAREWELL:g} s after it was cancelled")
    if not task.cancelled():
        task.exception()


@asynccontextmanager
async def free_loop(name: str) -> AsyncIterator[None]:
    """Fail when the event loop gets no turn for a while within the block: something blocks it."""
    worst = 0.0

    async def beat() -> None:
        nonlocal worst
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.02)
            now = time.monotonic()
            worst, last = max(worst, now - last), now

    pulse = asyncio.create_task(beat())
    try:
        yield
        await asyncio.sleep(0.03)
    finally:
        pulse.cancel()
        await asyncio.gather(pulse, return_exceptions=True)
    must(
        worst < GAP, f"{name}: it blocked the event loop for {worst:.1f} s; await, or use a plain function, which gets a thread"
    )
