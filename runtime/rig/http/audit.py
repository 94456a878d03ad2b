"""Refusals in the log: each one of a known principal, and a count of strangers' once a minute (I23)."""

import asyncio
import logging

from rig.errors import RigError
from rig.http.metrics import Metrics
from rig.ids import DEFAULT_TENANT
from rig.model.events import NewEvent, encode
from rig.store.port import Store
from rig.store.units import Unit

log = logging.getLogger("rig.http")

STREAM = "audit"
INTERVAL = 60.0
"""Seconds between two records of strangers."""


class Audit:
    """Writes ``operation_refused`` events. A refusal stands whether or not it can be recorded."""

    def __init__(self, store: Store, metrics: Metrics, interval: float = INTERVAL) -> None:
        self._store = store
        self._metrics = metrics
        self._interval = interval
        self._strangers = 0
        self._timer: asyncio.TimerHandle | None = None
        self._writing: set[asyncio.Task[None]] = set()

    async def refused(self, tenant: str, principal: str, operation: str, error: RigError, trace: str) -> None:
        """Record the refusal of a known principal, before it is answered."""
        body: dict[str, object] = {
            "principal": principal,
            "operation": operation,
            "code": error.code,
            "status": error.http_status,
        }
        await self._write(Unit(tenant, (_event(body),), principal=principal, operation=operation, request_id=trace))

    def stranger(self) -> None:
        """Count the refusal of somebody unknown."""
        self._metrics.strangers.inc()
        self._strangers += 1
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._tell)

    async def close(self) -> None:
        """Write what was counted and wait for it."""
        if self._timer is not None:
            self._timer.cancel()
            self._tell()
        if self._writing:
            await asyncio.wait(self._writing)

    def _tell(self) -> None:
        count, self._strangers, self._timer = self._strangers, 0, None
        body: dict[str, object] = {"principal": None, "count": count, "seconds": self._interval}
        unit = Unit(DEFAULT_TENANT, (_event(body),), operation="count_strangers")
        task = asyncio.get_running_loop().create_task(self._write(unit))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self, unit: Unit) -> None:
        try:
            await self._store.commit(unit)
        except RigError as error:
            log.warning("a refusal could not be recorded: %s", error.message)


def _event(body: dict[str, object]) -> NewEvent:
    return NewEvent(STREAM, "operation_refused", encode(body))
