"""Counts and times of requests for Prometheus; labels are names of operations and statuses, so that they are bounded."""

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

UNMATCHED = "unmatched"
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of the buckets of answer times, seconds."""


class Requests(Collector):
    """Requests by operation and status. Plain numbers that are read when somebody scrapes: every request pays for this."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int], int] = {}
        self._buckets: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def observe(self, operation: str, status: int, seconds: float) -> None:
        """Count one request."""
        key = (operation, status)
        self._counts[key] = self._counts.get(key, 0) + 1
        buckets = self._buckets.get(operation)
        if buckets is None:
            buckets = self._buckets[operation] = [0] * (len(BOUNDS) + 1)
            self._sums[operation] = 0.0
        buckets[bisect_left(BOUNDS, seconds)] += 1
        self._sums[operation] += seconds

    def collect(self) -> Iterator[Metric]:
        """What a scrape is given."""
        requests = CounterMetricFamily("rig_http_requests", "Requests by operation and status", labels=("operation", "status"))
        for (operation, status), count in sorted(self._counts.items()):
            requests.add_metric((operation, str(status)), count)
        yield requests
        seconds = HistogramMetricFamily(
            "rig_http_request_seconds", "Time to answer, streams and long polls included", labels=("operation",)
        )
        for operation, buckets in sorted(self._buckets.items()):
            total, shown = 0, []
            for bound, count in zip((*map(str, BOUNDS), "+Inf"), buckets, strict=True):
                total += count
                shown.append((bound, total))
            seconds.add_metric((operation,), shown, self._sums[operation])
        yield seconds


class Metrics:
    """The edge's own metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Requests()
        registry.register(self.requests)
        self.readers = Gauge("rig_event_stream_readers", "Open event streams", registry=registry)
        self.strangers = Counter("rig_strangers_refused", "Requests refused without a known principal", registry=registry)
