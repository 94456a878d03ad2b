"""The last calls into plugins, for ``rig plugin trace`` and ``GET /api/v1/plugins/calls``."""

import asyncio
from collections import deque
from typing import Literal

import msgspec

from rig.clock import Clock, Micros, SystemClock

KEPT = 2000
"""Calls that are remembered."""

CallOutcome = Literal["ok", "refused", "fault"]


class PluginCall(msgspec.Struct, frozen=True):
    """One call into a plugin, after it ended."""

    n: int
    """Counted from 1 since the daemon started."""
    at: Micros
    """When it ended."""
    plugin: str
    what: str
    """What was called, such as ``github.normalize``."""
    ms: float
    outcome: CallOutcome
    """``refused`` is an error that the plugin raised on purpose."""
    error: str | None = None


class CallLog:
    """A ring of calls; written from any thread, read on the event loop."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._calls: deque[PluginCall] = deque(maxlen=KEPT)
        self._count = 0
        self._waiting: set[asyncio.Future[None]] = set()
        self._closed = False

    def add(self, plugin: str, what: str, seconds: float, outcome: CallOutcome, error: str | None = None) -> None:
        """Remember a call and wake who waits for one."""
        self._count += 1
        self._calls.append(PluginCall(self._count, self._clock.now(), plugin, what, round(seconds * 1000, 3), outcome, error))
        for waiter in tuple(self._waiting):
            waiter.get_loop().call_soon_threadsafe(_wake, waiter)

    def after(self, n: int, plugin: str | None = None, limit: int = 500) -> list[PluginCall]:
        """Calls after the ``n``-th, oldest first; what the ring has forgotten is left out."""
        found = [c for c in tuple(self._calls) if c.n > n and (plugin is None or c.plugin == plugin)]
        return found[:limit]

    async def wait(self, n: int, plugin: str | None, seconds: float) -> list[PluginCall]:
        """The same, waiting for one to come for at most ``seconds``, and no longer than the daemon serves."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not (found := self.after(n, plugin)):
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or self._closed:
                break
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                await asyncio.wait_for(waiter, left)
            except TimeoutError:
                break
            finally:
                self._waiting.discard(waiter)
        return found

    def close(self) -> None:
        """Let nobody wait any more. Called on the loop."""
        self._closed = True
        for waiter in self._waiting:
            _wake(waiter)


def _wake(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
