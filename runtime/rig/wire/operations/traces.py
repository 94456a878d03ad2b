"""Traces."""

from rig.wire.operations.operation import READ, Operation, Parameter

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_traces",
        "GET",
        ("/api/v1/traces",),
        "The trace of an issue, a job or a run; without any, the traces that moved last",
        "traces",
        READ,
        response="TraceOrTraces",
        query=(
            Parameter("issue", "issue, URL-encoded"),
            Parameter("job", "job of the issue"),
            Parameter("run", "execution of the issue"),
            Parameter("limit", "most traces of the list; clamped to 1-500", "integer", default=50),
        ),
        mcp=True,
    ),
    Operation("get_trace", "GET", ("/api/v1/traces/{traceId}",), "A trace by its id", "traces", READ, response="SpanTrace"),
)
