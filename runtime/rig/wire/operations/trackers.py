"""Trackers: how they are, and polling them now."""

from rig.wire.operations.operation import READ, WRITE, Operation

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_trackers",
        "GET",
        ("/api/v1/trackers",),
        "Trackers that are polled: when they answered last, when they are asked again, what is wrong",
        "trackers",
        READ,
        response="Trackers",
        installation=True,
    ),
    Operation(
        "refresh",
        "POST",
        ("/api/v1/refresh",),
        "Poll every tracker now, or once it may be asked again",
        "trackers",
        WRITE,
        response="Refreshed",
        status=202,
        installation=True,
    ),
)
