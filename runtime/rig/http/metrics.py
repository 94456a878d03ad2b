"""Counts and times of requests for Prometheus; labels are names of operations and statuses, so that they are bounded."""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

UNMATCHED = "unmatched"


class Metrics:
    """The edge's own metrics; children are kept by hand, as looking them up costs more than counting."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "rig_http_requests", "Requests by operation and status", ("operation", "status"), registry=registry
        )
        self._seconds = Histogram(
            "rig_http_request_seconds",
            "Time to answer, streams and long polls included",
            ("operation",),
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
            registry=registry,
        )
        self.events = Counter("rig_events_accepted", "Events that clients posted and the log has", registry=registry)
        self.readers = Gauge("rig_event_stream_readers", "Open event streams", registry=registry)
        self.strangers = Counter("rig_strangers_refused", "Requests refused without a known principal", registry=registry)
        self._children: dict[tuple[str, int], tuple[Any, Any]] = {}

    def observe(self, operation: str, status: int, seconds: float) -> None:
        """Count one request."""
        children = self._children.get((operation, status))
        if children is None:
            children = self._children[operation, status] = (
                self._requests.labels(operation, str(status)),
                self._seconds.labels(operation),
            )
        children[0].inc()
        children[1].observe(seconds)
