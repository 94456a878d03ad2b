"""Wakes those who wait for rows to change, in the order in which they began to wait."""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import Self

Topic = tuple[str, str, str | None]
"""Tenant, table and key of a row; None: any row of the table."""


class Listeners:
    """Who waits for which rows, on one event loop."""

    def __init__(self) -> None:
        self.waiting: dict[Topic, dict[asyncio.Event, None]] = {}
        """By topic, in the order in which they came; a topic that nobody waits for is not in it."""
        self._closed = False

    def add(self, heard: asyncio.Event, topics: Sequence[Topic]) -> None:
        if self._closed:
            heard.set()
            return
        for topic in topics:
            self.waiting.setdefault(topic, {})[heard] = None

    def remove(self, heard: asyncio.Event, topics: Sequence[Topic]) -> None:
        for topic in topics:
            waiting = self.waiting.get(topic, {})
            waiting.pop(heard, None)
            if not waiting:
                self.waiting.pop(topic, None)

    def tell(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Wake who waits for one of these rows, once: who wants to hear more listens anew."""
        if not self.waiting:
            return
        for tenant, table, key in rows:
            for topic in ((tenant, table, None), (tenant, table, key)):
                for heard in self.waiting.pop(topic, ()):
                    heard.set()

    def close(self) -> None:
        """Wake everybody; nobody waits from now on."""
        self._closed = True
        for waiting in self.waiting.values():
            for heard in waiting:
                heard.set()


class Listener:
    """One that waits; a context, which ends with its waiting."""

    def __init__(self, listeners: Listeners, topics: Sequence[Topic]) -> None:
        self._listeners = listeners
        self._topics = topics
        self._heard = asyncio.Event()

    def listen(self) -> None:
        """Hear of every change from now on. Called before looking at the rows: then none falls between the look and the wait."""
        self._heard.clear()
        self._listeners.add(self._heard, self._topics)

    async def wait(self, seconds: float) -> None:
        """Until one of the rows has changed since ``listen`` or the bus was closed; ``seconds`` at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._heard.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._listeners.remove(self._heard, self._topics)
