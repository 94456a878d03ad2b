"""What the engine needs of a database: a few reads on the writer's thread and one write a batch."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Protocol

import msgspec

from rig.clock import Micros
from rig.model.events import Event
from rig.model.tables import Query, R, Table
from rig.store.units import Outcome, Timer

RowKey = tuple[str, str, str]
"""(tenant, table name, key)."""


def scope_key(scope: str) -> bytes:
    """The primary key of an idempotency scope: its sha256, halved."""
    return sha256(scope.encode()).digest()[:16]


class Answered(msgspec.Struct, frozen=True):
    """The stored outcome of an idempotent request."""

    digest: bytes
    outcome: Outcome
    at: Micros


class Staged(msgspec.Struct):
    """Everything that one batch changes; written in one transaction and adopted by the caches only after it."""

    events: list[Event] = msgspec.field(default_factory=list)
    rows: dict[RowKey, Any | None] = msgspec.field(default_factory=dict)
    """None deletes."""
    versions: dict[tuple[str, str], int] = msgspec.field(default_factory=dict)
    sequences: dict[str, int] = msgspec.field(default_factory=dict)
    timers: dict[tuple[str, str], Timer | None] = msgspec.field(default_factory=dict)
    cursors: dict[str, int] = msgspec.field(default_factory=dict)
    answers: dict[str, Answered] = msgspec.field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.events or self.rows or self.timers or self.cursors or self.answers)


class End(msgspec.Struct, frozen=True):
    """Where the log ends."""

    position: int
    hash: bytes
    at: Micros


class Backend(Protocol):
    """A database as the engine uses it: from one thread, one transaction at a time."""

    def end(self) -> End: ...

    def sequence(self, tenant: str) -> int: ...

    def versions(self, tenant: str, streams: Sequence[str]) -> Mapping[str, int]:
        """The newest version of each stream, 0 for one without an event."""
        ...

    def row(self, table: Table[R], tenant: str, key: str) -> R | None: ...

    def found(self, table: Table[R], tenant: str, keys: Sequence[str]) -> Mapping[str, R]:
        """Those rows of many that exist."""
        ...

    def scan(self, table: Table[R], tenant: str, prefix: str) -> Iterable[tuple[str, R]]: ...

    def select(self, query: Query[R]) -> list[tuple[str, R]]: ...

    def outcomes(self, scopes: Sequence[str]) -> Mapping[str, Answered]:
        """What is stored under those of many idempotency scopes that are known."""
        ...

    def timer(self, tenant: str, key: str) -> Timer | None: ...

    def cursor(self, name: str) -> int: ...

    def write(self, staged: Staged) -> None:
        """Write it all in one transaction that is on disk when this returns, or raise and leave nothing."""
        ...
