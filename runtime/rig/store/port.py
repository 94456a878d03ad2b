"""The port of the store: commit units, hand out claims, read in one snapshot, tail the log."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec

from rig.clock import Micros
from rig.model.events import Event
from rig.model.tables import Query, R, Since, Table
from rig.store.units import Claim, Committed, Outcome, Timer, Unit


class Batch(msgspec.Struct, frozen=True):
    """What one group commit wrote; handed to listeners on the event loop, in order, after the acks."""

    events: tuple[Event, ...]
    rows: dict[tuple[str, str, str], Any | None]
    """(tenant, table name, key) to the row as it is now, None where it was deleted."""
    timers_changed: bool = False
    """Whether a timer was set or deleted."""
    next_timer: Micros | None = None
    """When the first of the timers that it set is due, so that the timers' reactor looks only for an earlier one; None: it set none."""


Listener = Callable[[Batch], None]


class Snapshot(Protocol):
    """One consistent reading: everything read through it is as of the same position. Blocking; use it off the loop for lists."""

    def as_of(self, tenant: str) -> int:
        """The tenant's newest sequence in this snapshot; 0 for an empty log."""
        ...

    @property
    def position(self) -> int: ...

    def tenants(self) -> list[str]:
        """Every tenant with an event, sorted."""
        ...

    def get(self, table: Table[R], tenant: str, key: str) -> R | None: ...

    def found(self, table: Table[R], tenant: str, keys: Sequence[str]) -> Mapping[str, R]:
        """Those of the rows with these keys that there are."""
        ...

    def page(self, query: Query[R]) -> list[tuple[str, R]]: ...

    def count(self, query: Query[Any]) -> int:
        """How many rows match, without limit and offset."""
        ...

    def totals(self, query: Query[Any], by: tuple[str, ...], since: Since | None = None) -> list[tuple[Any, ...]]:
        """The columns ``by`` and the sums (int) of ``Table.sums`` over all that matches, a tuple a group, in no order.

        With ``since`` the rows are running totals, and each counts only by how much it has grown from that instant on.
        """
        ...

    def stream(self, tenant: str, stream: str, after_version: int = 0, limit: int | None = None) -> list[Event]: ...

    def stream_version(self, tenant: str, stream: str) -> int: ...

    def events(self, tenant: str, after_sequence: int, limit: int) -> list[Event]:
        """The tenant's events after a sequence, in order."""
        ...

    def log(self, after_position: int, limit: int) -> list[Event]:
        """All tenants' events after a position, in order."""
        ...

    def outcome(self, scope: str) -> tuple[bytes, Outcome] | None:
        """The request digest and the answer stored under an idempotency scope, None when unknown or past 24 hours."""
        ...

    def timers(self, due_before: Micros, limit: int) -> list[tuple[str, Timer]]:
        """(tenant, timer) pairs that are due, earliest first."""
        ...

    def timer(self, tenant: str, key: str) -> Timer | None: ...

    def next_due(self) -> Micros | None: ...

    def cursor(self, name: str) -> int: ...


class Store(Protocol):
    """A log with its read models. All methods are safe to call on the event loop."""

    @property
    def writable(self) -> bool:
        """False once damage was found: reads go on, writes raise LogCorrupt."""
        ...

    async def commit(self, unit: Unit) -> Committed:
        """Store a unit; returns after fdatasync (I1).

        Raises VersionConflict, StaleLease, IdempotencyReuse, StorageUnavailable, OutcomeUnknown, LogCorrupt. Cancelling the
        caller does not cancel the commit.
        """
        ...

    async def commit_many(self, units: Sequence[Unit]) -> list[Committed | Exception]:
        """Store units in order in one group commit, each all or nothing by itself."""
        ...

    async def claim(self, claim: Claim) -> Committed | None:
        """Hand out the head of the queue; None when nothing is eligible. Arrival order among waiting claims (I8)."""
        ...

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """A reading for the calling thread; keep it short."""
        ...

    async def read(self, job: Callable[[Snapshot], Any]) -> Any:
        """Run ``job`` on a reader thread in a snapshot."""
        ...

    def get(self, table: Table[R], tenant: str, key: str) -> R | None:
        """One row by primary key, on the calling thread (microseconds)."""
        ...

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` on the loop with every batch; returns what stops it. It must not raise or block."""
        ...

    def tail(self, after_position: int) -> AsyncIterator[Sequence[Event]]:
        """Events after a position, then new ones as they come; never a gap, never a repeat."""
        ...

    async def close(self) -> None:
        """Write what waits, checkpoint, mark the log as verified, let go of the data directory."""
        ...
