"""Events as answers."""

import msgspec

from rig.clock import iso
from rig.model.events import TYPES, Event
from rig.model.rows import UnappliedRow
from rig.wire.shapes import answers

_NULL = msgspec.Raw(b"null")


def data(event: Event) -> msgspec.Raw:
    """The event's body as it was stored; null when it was erased."""
    return msgspec.Raw(event.body) if event.body else _NULL


def accepted(event: Event, refused: UnappliedRow | None = None) -> answers.EventAccepted:
    """The answer to a posted event; ``refused`` says why it changed nothing."""
    answer = answers.EventAccepted(stream_id=event.stream, type=event.type.upper(), timestamp=iso(event.at))
    if refused is not None:
        answer.applied, answer.reason = False, refused.reason
    return answer


def result(event: Event, refused: UnappliedRow | None = None) -> answers.EventResult:
    """An entry of a batch that was stored."""
    answer = answers.EventResult(
        stream_id=event.stream, type=event.type.upper(), timestamp=iso(event.at), sequence=event.sequence
    )
    if refused is not None:
        answer.applied, answer.reason = False, refused.reason
    return answer


def stream_event(event: Event) -> answers.StreamEvent:
    """An event of ``GET /api/events/stream``, with the PascalCase name (R0-20)."""
    known = TYPES.get(event.type)
    return answers.StreamEvent(
        id=event.id, type=known.pascal if known else event.type, data=data(event), timestamp=iso(event.at)
    )
