"""Events: append, read, follow."""

from rig.wire.operations.operation import MIB, READ, WRITE, Operation, Parameter

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "post_event",
        "POST",
        ("/api/events",),
        "Append an event",
        "events",
        WRITE,
        "Event",
        "EventAccepted",
        attempt=True,
        mcp=True,
    ),
    Operation(
        "post_events",
        "POST",
        ("/api/events/batch",),
        "Append up to 1,000 events in one commit: an array, or NDJSON",
        "events",
        WRITE,
        "EventBatch",
        "EventResults",
        body_limit=8 * MIB,
        attempt=True,
    ),
    Operation(
        "get_stream_events",
        "GET",
        ("/api/events/stream",),
        "Events of one stream, by query",
        "events",
        READ,
        response="StreamEvents",
        query=(Parameter("id", "stream, URL-encoded", required=True),),
    ),
    Operation(
        "get_events_of", "GET", ("/api/events/{id}",), "Events of one stream, by path", "events", READ, response="StreamEvents"
    ),
    Operation(
        "stream_events",
        "GET",
        ("/api/v1/events",),
        "The log as server-sent events",
        "events",
        READ,
        raw="text/event-stream",
        query=(
            Parameter("since", "sequence after which to begin; absent is now, 0 is the beginning", "integer", minimum=0),
            Parameter("topics", "event types or families, separated by commas"),
            Parameter("id", "only this stream"),
            Parameter("views", "also send changed rows of: issues, queue, agents, jobs"),
        ),
    ),
)
