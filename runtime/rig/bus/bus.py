"""The bus in one process: what was committed goes to event streams and wakes those who wait for work."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rig.bus.listener import Listener, Listeners
from rig.bus.ring import Ring, RowEncoder
from rig.model.events import Event

TICK = 0.02
"""Seconds between two flushes to the readers of event streams."""

VIEWS = ("issues", "queue", "agents", "jobs", "attention")
"""Read models whose changed rows go out as ``row`` frames; they are called as their tables."""


class Bus:
    """Rings and wake-ups of all tenants. Lives on one event loop.

    ``newest`` gives a tenant's newest sequence in the store, for a tenant whose first reader comes before its first event;
    ``encode_row`` shows a row as its list does. It needs no task: a flush is scheduled only when there is something to flush.
    """

    def __init__(
        self,
        newest: Callable[[str], int],
        encode_row: Callable[[str, str, str, Any], Any],
        *,
        max_frames: int = 20_000,
        max_bytes: int = 16 * 2**20,
    ) -> None:
        self._newest = newest
        self._encode_row = encode_row
        self._limits = max_frames, max_bytes
        self._rings: dict[str, Ring] = {}
        self._wakes: dict[str, asyncio.Future[None]] = {}
        self._dirty: set[str] = set()
        self._tick: asyncio.TimerHandle | None = None
        self.listeners = Listeners()
        self.closed = False
        """True once the daemon stops: streams end and long polls answer."""

    def ring(self, tenant: str) -> Ring:
        """The tenant's ring."""
        ring = self._rings.get(tenant)
        if ring is None:
            ring = self._rings[tenant] = self._make(tenant, self._newest(tenant))
        return ring

    def publish(self, events: Iterable[Event], rows: Mapping[tuple[str, str, str], Any | None]) -> None:
        """Take in one commit: called by the store's listener, in order. Cheap: nothing is encoded here."""
        by_tenant: dict[str, list[Event]] = {}
        for event in events:
            by_tenant.setdefault(event.tenant, []).append(event)
        for tenant, its in by_tenant.items():
            ring = self._rings.get(tenant)
            if ring is None:
                ring = self._rings[tenant] = self._make(tenant, its[0].sequence - 1)
            shown = [(table, key, row) for (owner, table, key), row in rows.items() if owner == tenant and table in VIEWS]
            if ring.publish(its, shown) and tenant in self._wakes:
                self._dirty.add(tenant)
        self.listeners.tell(rows)
        if self._dirty and self._tick is None:
            self._tick = asyncio.get_running_loop().call_later(TICK, self._flush)

    async def wait(self, tenant: str, timeout: float) -> bool:
        """Until the tenant's ring was flushed with something new; False when ``timeout`` seconds passed."""
        if self.closed:
            return True
        future = self._wakes.get(tenant)
        if future is None:
            future = self._wakes[tenant] = asyncio.get_running_loop().create_future()
        done, _ = await asyncio.wait((future,), timeout=timeout)
        return bool(done)

    def listener(self, tenant: str, *rows: tuple[str, str | None]) -> Listener:
        """One that waits for rows of a tenant: (table, key), key None for any row of it."""
        return Listener(self.listeners, [(tenant, *row) for row in rows])

    def close(self) -> None:
        """Wake everybody for the last time."""
        self.closed = True
        if self._tick is not None:
            self._tick.cancel()
        for waiting in self._wakes.values():
            if not waiting.done():
                waiting.set_result(None)
        self.listeners.close()

    def _make(self, tenant: str, newest: int) -> Ring:
        def encode(view: str, key: str, row: Any) -> Any:
            return self._encode_row(tenant, view, key, row)

        encoder: RowEncoder = encode
        return Ring(newest, encoder, *self._limits)

    def _flush(self) -> None:
        self._tick = None
        dirty, self._dirty = self._dirty, set()
        for tenant in dirty:
            self._rings[tenant].flush()
            wake = self._wakes.pop(tenant, None)
            if wake is not None and not wake.done():
                wake.set_result(None)
