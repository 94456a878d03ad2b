"""Events as answers."""

import msgspec

from rig.clock import iso
from rig.model.events import TYPES, Event
from rig.wire.shapes import answers

_NULL = msgspec.Raw(b"null")


def data(event: Event) -> msgspec.Raw:
    """The event's body as it was stored; null when it was erased."""
    return msgspec.Raw(event.body) if event.body else _NULL


def accepted(event: Event) -> answers.EventAccepted:
    """The answer to a posted event."""
    return answers.EventAccepted(stream_id=event.stream, type=event.type.upper(), timestamp=iso(event.at))


def result(event: Event) -> answers.EventResult:
    """An entry of a batch that was stored."""
    return answers.EventResult(
        stream_id=event.stream, type=event.type.upper(), timestamp=iso(event.at), sequence=event.sequence
    )


def stream_event(event: Event) -> answers.StreamEvent:
    """An event of ``GET /api/events/stream``, with the PascalCase name (R0-20)."""
    known = TYPES.get(event.type)
    return answers.StreamEvent(
        id=event.id, type=known.pascal if known else event.type, data=data(event), timestamp=iso(event.at)
    )
