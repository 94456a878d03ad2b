"""Long polls: a request that is answered once what it asks for is so, its wait is over, or the daemon stops."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

from rig.http.ask import Ask

MAX_WAIT = 60

A = TypeVar("A")


def seconds(ask: Ask, default: int = 0) -> int:
    """``?wait=``."""
    return ask.integer("wait", default, 0, MAX_WAIT)


async def until(
    ask: Ask,
    look: Callable[[], Awaitable[A]],
    done: Callable[[A], bool],
    *rows: tuple[str, str | None],
    wait: float,
    due_in: Callable[[], float] = lambda: math.inf,
) -> A:
    """What ``look`` finds once it is ``done``, or found last when ``wait`` seconds have passed or the daemon drains.

    It looks at once, and again whenever one of ``rows`` has changed (table and key, None for any) or ``due_in`` seconds are over.
    """
    clock, bus = asyncio.get_running_loop().time, ask.deps.bus
    deadline = clock() + wait
    with bus.listener(ask.call.tenant, *rows) as listener:
        while True:
            listener.listen()
            found = await look()
            left = deadline - clock()
            if done(found) or left <= 0:
                return found
            await listener.wait(min(left, due_in()))
            if bus.closed:  # a claim that waited takes nothing any more
                return found
