"""The shapes of every decision: what a pure ``decide`` is given beside the state, and what it may ask for."""

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from rig.clock import Micros
from rig.ids import Ids
from rig.model.call import Call
from rig.model.events import Event, NewEvent


class Context(msgspec.Struct, frozen=True):
    """Everything but state and command that a decision may depend on; what is drawn from it goes into the events."""

    stream: str
    """The actor's own stream, known also while its row does not exist."""
    now: Micros
    ids: Ids
    call: Call
    """Who asks, for what, and with which lease."""
    config_version: int = 0
    """Version of the stream ``config`` under which this is decided; 0 while nothing was ever overlaid."""


class TimerChange(msgspec.Struct, frozen=True):
    """A timer as a decision names it: set or moved in ``timers`` (``due`` None deletes), consumed in ``timers_fired``."""

    key: str
    """``<kind>:<subject>``, e.g. ``lease:<id>``."""
    due: Micros | None
    payload: bytes = b"{}"


class Recorded(Protocol):
    """What an answer is made from: the decision's unit once it is safe."""

    @property
    def events(self) -> tuple[Event, ...]: ...

    @property
    def at(self) -> Micros: ...

    @property
    def rows(self) -> dict[tuple[str, str], Any | None]:
        """(table name, key) to the row after the commit, None where it was deleted."""
        ...


Answer = Callable[[Recorded], tuple[int, bytes]]
"""Makes HTTP status and body from what was recorded; pure, called by the writer."""


class Decision(msgspec.Struct, frozen=True):
    """What one command does; the actor makes one unit of it. Refusals are not decisions but raised RigErrors."""

    events: tuple[NewEvent, ...] = ()
    """In order, over any streams; those of the actor's own stream advance the version that its next decision expects."""
    extra_expect: dict[str, int] = {}
    """Other streams that the decision relied on, with the version it saw (0: does not exist)."""
    timers: tuple[TimerChange, ...] = ()
    timers_fired: tuple[TimerChange, ...] = ()
    """Timers that this consumes: they must still stand with exactly this due time."""
    fences: tuple[tuple[str, int], ...] = ()
    """(lease id, fence) pairs that must be live and newest when it is committed."""
    outcome: Answer | None = None
    """The answer that an idempotent repeat gets again; None leaves it to who asked."""
