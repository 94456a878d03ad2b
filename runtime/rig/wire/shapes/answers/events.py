"""Answers about events."""

from typing import Any

import msgspec

from rig.wire.shapes.answers.base import Camel


class EventAccepted(Camel, omit_defaults=True):
    stream_id: str
    type: str
    timestamp: str
    applied: bool | None = None
    """False when the state machine could not apply it; left out otherwise."""
    reason: str | None = None


class EventResult(Camel, omit_defaults=True):
    """One entry of a batch: what was stored, or why it was not."""

    stream_id: str | None = None
    type: str | None = None
    timestamp: str | None = None
    sequence: int | None = None
    applied: bool | None = None
    reason: str | None = None
    error: str | None = None
    code: str | None = None


class StreamEvent(Camel):
    id: str
    type: str
    data: msgspec.Raw
    timestamp: str


SHAPES: dict[str, Any] = {
    "EventAccepted": EventAccepted,
    "EventResults": list[EventResult],
    "StreamEvents": list[StreamEvent],
}
