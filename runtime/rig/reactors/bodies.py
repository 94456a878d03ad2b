"""The raw bodies of deliveries: put before what they cause is committed, and forgotten when they have been kept long enough."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rig.blobs import Blobs
from rig.model import delivery
from rig.model.events import NewEvent, encode
from rig.model.rows import DeliveryRow
from rig.model.tables import DELIVERIES, Query
from rig.store.port import Store
from rig.store.units import Timer, Unit

PAGE = 500
"""Deliveries that are swept at a time."""


class Bodies:
    """The bodies of all sources; several deliveries may have the same one."""

    def __init__(self, store: Store, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs
        self._held: Counter[str] = Counter()
        """Bodies that a delivery being taken in needs, so that the sweep leaves them alone."""

    @contextmanager
    def holding(self, digest: str) -> Iterator[None]:
        """The body is not swept while it is put and its row is committed."""
        self._held[digest] += 1
        try:
            yield
        finally:
            self._held[digest] -= 1
            if not self._held[digest]:
                del self._held[digest]

    async def keep(self, body: bytes) -> None:
        """Store a raw body durably; raises StorageUnavailable."""
        await asyncio.to_thread(self._blobs.put, body)

    async def get(self, digest: str) -> bytes:
        """Raises BlobMissing and BlobCorrupt."""
        return await asyncio.to_thread(self._blobs.get, digest)

    async def sweep(self, tenant: str, timer: Timer) -> object:
        """Drop the bodies that came in one hour. Files go first: a row may say that a lost body is kept, never the other way round."""
        hour = int(timer.key.partition(":")[2])
        span: Any = (("at", ">=", hour * delivery.HOUR), ("at", "<", (hour + 1) * delivery.HOUR), ("kept", "=", 1))
        while True:
            rows = await self._store.read(lambda s: [row for _, row in s.page(Query(DELIVERIES, tenant, span, ("at",), PAGE))])
            for row in rows:
                if row.body is not None:
                    self._forget(row, row.body)
            last = len(rows) < PAGE
            dropped = [{"source": row.source, "id": row.id} for row in rows]
            gone = NewEvent(delivery.STREAM, "webhook_bodies_dropped", encode({"deliveries": dropped}))
            fired = (timer,) if last else ()
            done = await self._store.commit(
                Unit(tenant, (gone,) if rows else (), operation="sweep_webhooks", timers_fired=fired)
            )
            if last:
                return done

    def _forget(self, row: DeliveryRow, digest: str) -> None:
        """Delete a body, unless a later delivery needs the same one. On the loop, so that none comes in between look and deletion."""
        with self._store.snapshot() as snapshot:
            for tenant in snapshot.tenants():
                where: Any = (("body", "=", digest), ("at", ">", row.at))
                if snapshot.page(Query(DELIVERIES, tenant, where, limit=1)):
                    return
        if not self._held[digest]:
            self._blobs.delete(digest)
