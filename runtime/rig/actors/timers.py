"""Messages to come: fires the timers of the store when they are due; no actor sleeps."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from rig.clock import Clock, Micros
from rig.errors import Conflict, OutcomeUnknown, RigError, StorageUnavailable
from rig.store.port import Batch, Snapshot, Store
from rig.store.units import Timer

log = logging.getLogger("rig.actors")

Handler = Callable[[str, Timer], Awaitable[object]]
"""Called with tenant and timer. It sends a command whose decision names the timer in ``timers_fired``, so that the unit
that acts is the one that deletes it. Whoever comes second gets a Conflict, and that is fine."""

PAGE = 100
"""Timers that are fired side by side."""

GRACED = 10_000
"""Timers that are looked through beyond a page while the grace lasts."""

SETTLE = 0.02
"""Seconds in which further changes are gathered before the store is read again: heartbeats move timers all the time."""

LONGEST_SLEEP = 60.0
"""Seconds after which the store is asked again even if nobody woke us (another daemon may have set a timer)."""

HANDLER_TIMEOUT = 30.0
"""Seconds after which a handler is given up, and counts as failed."""

AWAY_PAUSE = 4.0
"""Seconds after which a timer is tried again, at most, that the store could not take: it will be back, and leases wait for it."""

_EVER: Final[Micros] = 1 << 62

_Key = tuple[str, str, Micros]


class Timers:
    """Fires due timers by the kind before the colon of their key (``lease:<id>`` is for handler ``lease``).

    Any daemon may try each timer. One that still stands after its handler ran (it raised, or did nothing) is tried again
    after 1, 2, 4 … 60 seconds, of 4 at most where the store was away. ``grace`` is how many seconds of uptime the kinds in
    ``graced`` have to wait: after a start no lease ends before its agent had one heartbeat interval to be heard (I10).
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        handlers: Mapping[str, Handler],
        *,
        grace: float,
        graced: frozenset[str] = frozenset({"lease"}),
        on_fault: Callable[[str, BaseException], None] = lambda key, error: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._handlers = handlers
        self._graced = graced
        self._on_fault = on_fault
        self._grace_ends = clock.monotonic() + grace
        self._woken = asyncio.Event()
        self._planned: Micros = 0
        """When the store is read again by itself; 0 while it is being read."""
        self._heard: Micros = _EVER
        """The earliest timer that was set since the store was last read."""
        self._tried: dict[_Key, tuple[int, float]] = {}
        """How often a timer was tried, and the monotonic time before which it is not tried again."""

    def wake(self) -> None:
        """Look at the store again now."""
        self._woken.set()

    async def run(self) -> None:
        """Fire timers until cancelled."""
        unlisten = self._store.listen(self._hear)
        try:
            while True:
                self._woken.clear()
                self._planned, self._heard = 0, _EVER
                try:
                    pause = await self.fire()
                except Exception as error:  # noqa: BLE001  # the store may be away for a while; timers must outlive that
                    log.warning("The timers could not be read: %s", error)
                    pause = 1.0
                self._planned = self._clock.now() + int(pause * 1e6)
                if self._heard < self._planned:
                    self._woken.set()
                if pause > 0:
                    try:
                        async with asyncio.timeout(pause):
                            await self._woken.wait()
                        await asyncio.sleep(SETTLE)
                    except TimeoutError:
                        pass
        finally:
            unlisten()

    async def fire(self) -> float:
        """Fire up to 100 timers that are due; seconds until there may be more to do, 0 for at once."""
        limit = PAGE + len(self._tried)
        if self._clock.monotonic() < self._grace_ends:
            limit += GRACED  # what rests in its grace must not hide the others
        standing: list[tuple[str, Timer]] = await self._store.read(lambda snapshot: _standing(snapshot, limit))
        now, uptime = self._clock.now(), self._clock.monotonic()
        self._drop_gone(standing, limit)
        pause = LONGEST_SLEEP
        due: list[tuple[str, Timer]] = []
        for tenant, timer in standing:
            assert timer.due is not None
            wait = max((timer.due - now) / 1e6, self._not_before(tenant, timer) - uptime)
            if wait > 0:
                pause = min(pause, wait)
            elif len(due) < PAGE:
                due.append((tenant, timer))
            else:
                pause = 0.0
        for tenant, timer in due:
            # Held back before it is tried: a timer that its handler leaves standing can't make the loop spin.
            key = _key(tenant, timer)
            tries = self._tried.get(key, (0, 0.0))[0] + 1
            self._tried[key] = (tries, uptime + min(2.0 ** (tries - 1), 60.0))
        await asyncio.gather(*(self._call(tenant, timer) for tenant, timer in due))
        return 0.0 if due else pause

    def _not_before(self, tenant: str, timer: Timer) -> float:
        not_before = self._tried.get(_key(tenant, timer), (0, 0.0))[1]
        return max(not_before, self._grace_ends) if _kind(timer) in self._graced else not_before

    def _drop_gone(self, standing: list[tuple[str, Timer]], limit: int) -> None:
        """Forget the tries of timers that are no more, or that were moved."""
        covered = standing[-1][1].due if len(standing) == limit else None
        keys = {_key(tenant, timer) for tenant, timer in standing}
        self._tried = {k: v for k, v in self._tried.items() if k in keys or (covered is not None and k[2] >= covered)}

    async def _call(self, tenant: str, timer: Timer) -> None:
        handler = self._handlers.get(_kind(timer))
        if handler is None:
            log.warning("Nothing handles the timer %s.", timer.key)
            return
        try:
            async with asyncio.timeout(HANDLER_TIMEOUT):
                await handler(tenant, timer)
        except Conflict:
            pass  # someone else was first, or what it waited for happened
        except RigError as error:
            log.warning("The timer %s is tried again later: %s", timer.key, error)
            if isinstance(error, StorageUnavailable | OutcomeUnknown):
                tries, not_before = self._tried.get(key := _key(tenant, timer), (0, 0.0))
                self._tried[key] = (tries, min(not_before, self._clock.monotonic() + AWAY_PAUSE))
        except Exception as error:  # noqa: BLE001  # one handler must not stop the others
            log.error("The handler of the timer %s raised %s.", timer.key, type(error).__name__)
            self._on_fault(timer.key, error)

    def _hear(self, batch: Batch) -> None:
        if batch.next_timer is not None:
            self._heard = min(self._heard, batch.next_timer)
            if self._heard < self._planned:  # claims and heartbeats move timers all the time, and nearly always to later
                self._woken.set()


def _standing(snapshot: Snapshot, limit: int) -> list[tuple[str, Timer]]:
    return snapshot.timers(_EVER, limit)


def _key(tenant: str, timer: Timer) -> _Key:
    assert timer.due is not None
    return (tenant, timer.key, timer.due)


def _kind(timer: Timer) -> str:
    return timer.key.partition(":")[0]
