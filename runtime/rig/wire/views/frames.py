"""Events and changed rows as server-sent events."""

from collections.abc import Iterable
from typing import Any

import msgspec

from rig.clock import Micros, iso
from rig.model.events import Event
from rig.wire.views.attention import attention
from rig.wire.views.issues import assignment, issue
from rig.wire.views.work import agent, job

encode = msgspec.json.encode


def frame(event: Event) -> bytes:
    """An event as a server-sent event (conventions §4): id, type, and the envelope as data."""
    return (
        b'id: %d\nevent: %s\ndata: {"sequence":%d,"streamId":%s,"version":%d,"type":"%s","at":"%s","data":%s,"tenant":%s,"traceId":"%s"}\n\n'
        % (
            event.sequence,
            event.type.encode(),
            event.sequence,
            encode(event.stream),
            event.version,
            event.type.encode(),
            iso(event.at).encode(),
            event.body or b"null",
            encode(event.tenant),
            event.request_id.encode(),
        )
    )


def shown(view: str, row: Any, now: Micros) -> Any:
    """A row as the list of its view shows it; ``queue`` takes the issue's row."""
    match view:
        case "issues":
            return issue(row)
        case "queue":
            return assignment(row)
        case "agents":
            return agent(row, now) if row.known else None
        case "jobs":
            return job(row)
        case "attention":
            return attention(row)
    raise KeyError(view)


def row_frame(view: str, key: str, row: object, sequence: int) -> bytes:
    """A changed row as a server-sent event without an id, so that it never moves a reader's cursor."""
    return b"event: row\ndata: %s\n\n" % encode({"view": view, "key": key, "row": row, "sequence": sequence})


def gap_frame(sequence: int, views: Iterable[str] = ()) -> bytes:
    """Says that something was not sent: events after ``sequence``, or rows of ``views`` that changed up to it."""
    body: dict[str, Any] = {"sequence": sequence}
    if views:
        body["views"] = sorted(views)
    return b"event: gap\ndata: %s\n\n" % encode(body)


HEARTBEAT = b": heartbeat\n\n"


OPENING = b"retry: 1500\n\n"
