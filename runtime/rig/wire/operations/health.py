"""Whether Rig lives, and what its API is."""

from rig.wire.operations.operation import Operation, Parameter

OPERATIONS: tuple[Operation, ...] = (
    Operation("get_health", "GET", ("/health",), "Whether the process lives", "health", None, response="Health"),
    Operation(
        "get_ready", "GET", ("/ready",), "Whether it takes work; 503 while it does not", "health", None, response="Ready"
    ),
    Operation("get_deep_health", "GET", ("/healthz/deep",), "State of every dependency", "health", None, response="DeepHealth"),
    Operation("get_metrics", "GET", ("/metrics",), "Metrics for Prometheus", "health", None, raw="text/plain"),
    Operation(
        "get_openapi",
        "GET",
        ("/api/v1/openapi.json",),
        "This description of the API",
        "health",
        None,
        query=(Parameter("version", "OpenAPI version", enum=("3.0", "3.1"), default="3.1"),),
    ),
    Operation("get_docs", "GET", ("/api/docs",), "The API to read and to try in a browser", "health", None, raw="text/html"),
    Operation(
        "get_docs_asset", "GET", ("/api/docs/{file}",), "A file of that page", "health", None, raw="application/octet-stream"
    ),
)
