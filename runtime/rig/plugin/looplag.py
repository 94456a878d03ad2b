"""Measures how late the event loop is: what ``HealthContext.loop_lag`` answers with."""

import asyncio
from collections import deque

INTERVAL = 0.5
WINDOW = 30.0


class LoopLag:
    """Wakes up twice a second and remembers by how much it came too late; ``start`` and ``stop`` it on the loop."""

    def __init__(self, interval: float = INTERVAL, window: float = WINDOW) -> None:
        self._interval = interval
        self._late: deque[float] = deque(maxlen=max(1, int(window / interval)))
        self._handle: asyncio.TimerHandle | None = None
        self._due = 0.0

    def start(self) -> None:
        self._next(asyncio.get_running_loop())

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def worst(self) -> float:
        """Seconds of the worst lateness in the window, 0 before the first reading."""
        return max(self._late, default=0.0)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = loop.time() + self._interval
        self._handle = loop.call_at(self._due, self._wake, loop)

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        self._late.append(max(0.0, loop.time() - self._due))
        self._next(loop)
