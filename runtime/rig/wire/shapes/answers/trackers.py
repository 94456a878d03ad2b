"""Answers about trackers."""

from typing import Any

from rig.wire.shapes.answers.base import Snake


class Tracker(Snake):
    name: str
    state: str
    """``ok``, ``degraded`` while it or something of it can't be read, ``waiting`` before its first answer."""
    error: str | None
    faults: dict[str, str]
    """What of it can't be read or used, by its id there, and why."""
    polled_at: str | None
    next_poll_at: str | None
    resting: bool
    """Whether it has asked to be left alone until then."""


class Refreshed(Snake):
    queued: bool
    coalesced: bool
    """Whether a poll was asked for already and has not begun."""
    requested_at: str
    operations: list[str]


SHAPES: dict[str, Any] = {"Trackers": list[Tracker], "Refreshed": Refreshed}
