"""How the daemon is: what deep health, ``/ready`` and the event streams ask of it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rig.bus.bus import Bus
from rig.clock import Clock
from rig.model.health import CheckResult, HealthReport
from rig.plugin.contexts import HealthContext, ProviderSetup
from rig.plugin.host import PluginHost
from rig.store.log import Log


class Vitals:
    """Watches store and bus for the checkers, and says whether Rig takes work."""

    def __init__(
        self,
        store: Log,
        bus: Bus,
        plugins: PluginHost,
        clock: Clock,
        loop_lag: Callable[[], float],
        data_dir: Path,
        known: Callable[[], Sequence[tuple[str, CheckResult]]] = tuple,
        providers: Callable[[], Mapping[str, ProviderSetup]] = dict,
    ) -> None:
        self._store = store
        self._bus = bus
        self._board = plugins.health(clock, known)
        self._context = HealthContext(self._store_ping, self._streams_ping, loop_lag, data_dir, providers)
        self.draining = False
        """True from the moment that the daemon stops."""

    async def report(self) -> HealthReport:
        """Deep health, as every registered checker sees it."""
        return await self._board.report(self._context)

    def unready(self) -> str | None:
        """Why Rig takes no work: ``draining`` or ``log_corrupt``; None when it does."""
        if self.draining:
            return "draining"
        return None if self._store.writable else "log_corrupt"

    def tenants(self) -> Sequence[str]:
        """Every tenant in the log."""
        with self._store.snapshot() as snapshot:
            return snapshot.tenants()

    async def _store_ping(self) -> str | None:
        await self._store.read(lambda snapshot: snapshot.position)
        return None if self._store.writable else "read-only: the log is damaged"

    async def _streams_ping(self) -> str | None:
        if self._bus.closed:
            raise RuntimeError("the bus is closed")
        return None
