"""Faults as events: what a plugin or the clock did wrong is in the log, at most one event a second of each kind."""

import asyncio
import logging
from typing import Any

from rig.clock import SystemClock
from rig.errors import RigError
from rig.ids import DEFAULT_TENANT
from rig.model.events import NewEvent, encode
from rig.plugin.contexts import Fault
from rig.store.port import Store
from rig.store.units import Unit
from rig.text import one_line

log = logging.getLogger(__name__)

STEP = 60.0
"""Seconds by which the wall clock must run away from the monotonic one to be told (conventions §12)."""
LOOK = 30.0
"""Seconds between two looks at the wall clock."""


class FaultRecorder:
    """Writes fault events; safe to call from any thread."""

    def __init__(self, store: Store, loop: asyncio.AbstractEventLoop) -> None:
        self._store = store
        self._loop = loop
        self._writing: set[asyncio.Task[None]] = set()
        self._untold: dict[str, int] = {}
        self._told: dict[str, float] = {}

    def plugin(self, fault: Fault) -> None:
        """``PluginHost``'s ``on_fault``."""
        log.warning("plugin %s: %s: %s", fault.plugin, fault.what, fault.error)
        body = {
            "plugin": fault.plugin,
            "what": fault.what,
            "error": one_line(fault.error, 500),
            "strikes": fault.strikes,
            "quarantined": fault.quarantined,
        }
        self._loop.call_soon_threadsafe(self._tell, "plugin_faulted", fault.plugin, body)

    def _tell(self, type_: str, subject: str, body: dict[str, Any]) -> None:
        now = self._loop.time()
        if now - self._told.get(subject, -1e9) < 1 and not body.get("quarantined"):
            self._untold[subject] = self._untold.get(subject, 0) + 1
            return
        self._told[subject] = now
        body["untold"] = self._untold.pop(subject, 0)
        task = self._loop.create_task(self.note("faults", type_, body))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def note(self, stream: str, type_: str, body: dict[str, Any]) -> None:
        """Store one of Rig's own events; a store that refuses it is only logged."""
        event = NewEvent(stream, type_, encode(body))
        try:
            await self._store.commit(Unit(DEFAULT_TENANT, (event,), operation=type_))
        except RigError as error:
            log.warning("%s could not be stored: %s", type_, error.message)


async def watch_clock(clock: SystemClock, recorder: FaultRecorder) -> None:
    """Tell when the wall clock steps; Rig's own clock goes on with the monotonic one (I10). Runs until cancelled."""
    known = clock.drift()
    while True:
        await asyncio.sleep(LOOK)
        drift = clock.drift()
        if abs(drift - known) >= STEP:
            log.warning("the wall clock was set by %+.0f s; leases and order go on by the monotonic clock", drift - known)
            await recorder.note("daemon", "clock_stepped", {"seconds": round(drift - known, 3)})
            known = drift
