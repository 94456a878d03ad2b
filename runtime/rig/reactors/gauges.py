"""What a scrape of ``/metrics`` is told of the daemon beside its requests; no label names a tenant, repository or user."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rig.actors.system import System
from rig.store.log import Log


class Gauges(Collector):
    """Reads the parts of the daemon when somebody scrapes; costs nothing in between."""

    def __init__(
        self, store: Log, system: System, executions: Callable[[], Mapping[str, int]], loop_lag: Callable[[], float]
    ) -> None:
        self._store = store
        self._system = system
        self._executions = executions
        self._loop_lag = loop_lag

    def collect(self) -> Iterator[Metric]:
        with self._store.snapshot() as snapshot:
            position = snapshot.position
        yield GaugeMetricFamily("rig_log_position", "Events in the log, of all tenants", value=position)
        yield GaugeMetricFamily("rig_store_writable", "1 while the store takes writes", value=int(self._store.writable))
        yield GaugeMetricFamily("rig_actors_active", "Actors in memory", value=self._system.active)
        yield GaugeMetricFamily("rig_actors_waiting", "Commands that wait for their answer", value=self._system.waiting)
        yield GaugeMetricFamily("rig_executions_running", "Sessions that the executor runs", value=len(self._executions()))
        yield GaugeMetricFamily(
            "rig_loop_lag_seconds", "Worst lateness of the event loop in the last half minute", value=self._loop_lag()
        )
