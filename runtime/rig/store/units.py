"""What a command does, as data: events over any number of streams, and everything that must be true or change with them."""

from collections.abc import Callable
from typing import Any

import msgspec

from rig.clock import Micros
from rig.model.events import ANY_VERSION, Event, NewEvent

__all__ = ["ANY_VERSION", "Claim", "Committed", "Cursor", "Idempotency", "NewEvent", "Outcome", "Timer", "Unit"]


class Outcome(msgspec.Struct, frozen=True):
    """The answer of an operation: what an idempotent repeat gets again."""

    status: int
    body: bytes


class Idempotency(msgspec.Struct, frozen=True):
    """``scope`` is tenant, principal, method, path and key in one text; ``digest`` is the sha256 of the request body (I3)."""

    scope: str
    digest: bytes


class Timer(msgspec.Struct, frozen=True):
    """A message to come. Key is unique in the tenant; setting it again moves it; ``due`` None deletes it."""

    key: str
    """``<kind>:<subject>``, e.g. ``lease:<id>``."""
    due: Micros | None
    payload: bytes = b"{}"


class Cursor(msgspec.Struct, frozen=True):
    """Compare-and-set of how far a reactor has come (a position); another value than ``old`` fails the unit."""

    name: str
    old: int
    new: int


class Committed(msgspec.Struct, frozen=True):
    """What became of a unit once it is safe on disk."""

    events: tuple[Event, ...]
    at: Micros
    rows: dict[tuple[str, str], Any | None]
    """(table name, key) to the row after the batch, None where it was deleted."""
    outcome: Outcome | None = None
    replayed: bool = False
    """True when the idempotency key was known: ``outcome`` is the first one's and nothing was stored."""


class Unit(msgspec.Struct, frozen=True):
    """One command's effect: all or nothing, over as many streams as it takes."""

    tenant: str
    events: tuple[NewEvent, ...] = ()
    expect: dict[str, int] = {}
    """Stream to expected version (0: must not exist); streams not named may have any version."""
    principal: str = "system"
    operation: str = ""
    request_id: str = ""
    timers: tuple[Timer, ...] = ()
    timers_fired: tuple[Timer, ...] = ()
    """Timers that must still stand with exactly this due time; the unit deletes them, or fails with VersionConflict."""
    cursors: tuple[Cursor, ...] = ()
    fences: tuple[tuple[str, int], ...] = ()
    """(lease id, fence) pairs that must be live and newest, else StaleLease."""
    idempotency: Idempotency | None = None
    outcome: Callable[[Committed], Outcome] | None = None
    """Makes the answer from what was committed; called by the writer when ``idempotency`` is set, must be pure."""
    follows: bool = False
    """Fails with VersionConflict unless the unit before it in the same ``commit_many`` was stored: it was decided on what that
    one would make of the state, and an expected version may match by accident when someone else wrote as many events."""


class Claim(msgspec.Struct, frozen=True):
    """Hand an agent what was assigned to it, else the queue's first eligible issue; decided by the writer, in arrival order (I8)."""

    tenant: str
    agent: str
    lease_id: str
    job_id: str
    """Used when the issue has no job yet; another is drawn when there is one of that name."""
    lease_seconds: int
    provider: str | None = None
    pool: str = ""
    principal: str = "system"
    operation: str = "claim_assignment"
    request_id: str = ""
    idempotency: Idempotency | None = None
    outcome: Callable[[Committed], Outcome] | None = None
