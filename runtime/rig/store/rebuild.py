"""Folding the log again: in place, into a scratch store to compare, or up to a moment into a file of its own (I5)."""

import gc
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import astuple
from sqlite_utils import Database

from rig.clock import Micros
from rig.errors import Conflict
from rig.model import folds
from rig.model.events import Event
from rig.model.tables import ALL, R, Table, prefix_of
from rig.store import schema
from rig.store.backend import RowKey
from rig.store.head import Head, HeadFile
from rig.store.schema import folds_mark, model_table
from rig.store.sql import EVENT_COLUMNS, event_of
from rig.store.sqlite import SqliteBackend, connect
from rig.store.stage import Lru, Rows, RowStage, UnitTables
from rig.store.verify import DATABASE, HEAD

CHUNK = 20_000
"""Events between two writes of rows: an issue's events come close together, and its row is then written once."""
_MASK = (1 << 26) - 1

Changed = dict[RowKey, Any | None]
"""Rows by (tenant, table, key), None for one that is deleted."""


class Digest(msgspec.Struct, frozen=True):
    """A read model's content in one hash: sha256 over tenant, key and document of every row, in key order."""

    table: str
    rows: int
    sha256: str


def read_log(connection: sqlite3.Connection, after: int = 0) -> Iterator[list[Event]]:
    """The log in chunks, in order."""
    while True:
        rows = connection.execute(
            f"SELECT {EVENT_COLUMNS} FROM events WHERE position > ? ORDER BY position LIMIT ?", (after, CHUNK)
        ).fetchall()
        if not rows:
            return
        events = [event_of(r) for r in rows]
        yield events
        after = events[-1].position


def digests(connection: sqlite3.Connection) -> list[Digest]:
    """The hash of every read model as it stands in a database."""
    found = []
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in ALL:
        if model_table(table.name) not in there:  # made by older folds
            found.append(digest(table.name, ()))
            continue
        rows = connection.execute(f"SELECT tenant, key, doc FROM {model_table(table.name)} ORDER BY tenant, key")
        found.append(digest(table.name, rows))
    return found


def digest(table: str, rows: Iterable[tuple[str, str, Any]]) -> Digest:
    """The hash of (tenant, key, document) rows in key order; the same on every backend."""
    total, count = sha256(), 0
    for tenant, key, doc in rows:
        total.update(b"%s\n%s\n%s\n" % (tenant.encode(), key.encode(), doc if isinstance(doc, bytes) else b"not bytes"))
        count += 1
    return Digest(table, count, total.hexdigest())


def fold_into(connection: sqlite3.Connection, chunks: Iterable[list[Event]], rows: Rows | None = None) -> int:
    """Fold events into the read models of ``connection``; commits a chunk at a time unless a transaction is open.

    ``rows`` reads those that are there, None: the connection does. Returns the last position.
    """
    backend = SqliteBackend(connection)
    own = not connection.in_transaction

    def write(changed: Changed) -> None:
        if own:
            connection.execute("BEGIN")
        backend.write_rows(changed)
        if own:
            connection.execute("COMMIT")

    return fold_chunks(rows or backend, chunks, write)


def fold_chunks(rows: Rows, chunks: Iterable[list[Event]], write: Callable[[Changed], None]) -> int:
    """Fold events over ``rows`` and ``write`` what changes, a chunk at a time. Returns the last position."""
    cache: Lru[RowKey, Any] = Lru(50_000)
    position = 0
    for events in chunks:
        stage = RowStage(rows, cache)
        for event in events:
            tables = UnitTables(stage, event.tenant)
            folds.fold(event, tables)
            tables.accept()
            position = event.position
        write(stage.rows)
        if isinstance(rows, FreshRows):
            rows.written(stage.rows)
        stage.adopt()
    return position


class FreshRows:
    """The rows of read models that were empty when a fold began: what it never wrote is not looked for in the database.

    Written keys, and the prefixes that find them, set a bit each; two may share one, then the database is asked in vain.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._bits = bytearray(1 << 23)

    def written(self, keys: Iterable[RowKey]) -> None:
        for key in keys:
            self._set(key)
            prefix = prefix_of(key[2])
            if prefix:
                self._set((key[0], key[1], prefix))

    def row(self, table: Table[R], tenant: str, key: str) -> R | None:
        return self._rows.row(table, tenant, key) if self._may_have((tenant, table.name, key)) else None

    def scan(self, table: Table[R], tenant: str, prefix: str) -> Iterable[tuple[str, R]]:
        return self._rows.scan(table, tenant, prefix) if self._may_have((tenant, table.name, prefix)) else ()

    def _set(self, key: RowKey) -> None:
        place = hash(key) & _MASK
        self._bits[place >> 3] |= 1 << (place & 7)

    def _may_have(self, key: RowKey) -> bool:
        place = hash(key) & _MASK
        return bool(self._bits[place >> 3] >> (place & 7) & 1)


@contextmanager
def uncollected() -> Iterator[None]:
    """A fold makes nothing in a circle, so the collector of cycles only looks for nothing meanwhile."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def fold_anew(connection: sqlite3.Connection, chunks: Iterable[list[Event]]) -> None:
    """Fold a whole log into the read models of ``connection``, which are made anew; lists' indexes come last."""
    schema.make_read_models(Database(connection), indexed=False)
    with uncollected():
        fold_into(connection, chunks, FreshRows(SqliteBackend(connection)))
    schema.index_read_models(Database(connection))


def refold(connection: sqlite3.Connection) -> None:
    """Make the read models anew from the log, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        fold_anew(connection, read_log(connection))
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('folds', ?)", (folds_mark(),))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def folds_differ(connection: sqlite3.Connection) -> bool:
    """Whether the stored read models were made by other folds than these."""
    found = connection.execute("SELECT value FROM meta WHERE key = 'folds'").fetchone()
    return found is None or found[0] != folds_mark()


def refold_if_needed(connection: sqlite3.Connection) -> None:
    """Fold again when the stored read models were made by other folds than these."""
    if folds_differ(connection):
        refold(connection)


@contextmanager
def scratch_store(path: Path | str) -> Iterator[sqlite3.Connection]:
    """An empty store that nobody waits for on disk."""
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        schema.migrate(connection)
        yield connection


def folded_again(connection: sqlite3.Connection, scratch: Path) -> list[Digest]:
    """The hashes that the read models should have, by folding the log of ``connection`` into a scratch database."""
    return folded(read_log(connection), scratch)


def folded(chunks: Iterable[list[Event]], scratch: Path) -> list[Digest]:
    """The hashes of the read models of a log, by folding it into a scratch database."""
    with scratch_store(scratch) as other:
        fold_anew(other, chunks)
        return digests(other)


def stored_id(connection: sqlite3.Connection) -> bytes:
    """The identity of the store in a database."""
    return connection.execute("SELECT value FROM meta WHERE key = 'store_id'").fetchone()[0]  # type: ignore[no-any-return]


def store_until(
    chunks: Iterable[list[Event]],
    store_id: bytes,
    directory: Path,
    *,
    position: int | None = None,
    at: Micros | None = None,
) -> Head:
    """The store as it stood after ``position`` or at the instant ``at``, as a data directory of its own.

    Raises Conflict when the directory holds a store already.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (directory / DATABASE).exists():
        raise Conflict(f"{directory} holds a store already; name an empty directory")
    last: Event | None = None
    with scratch_store(directory / DATABASE) as other:
        for events in chunks:
            kept = [e for e in events if (position is None or e.position <= position) and (at is None or e.at <= at)]
            if kept:
                _copy(other, kept)
                last = kept[-1]
            if len(kept) < len(events):
                break
        other.execute("INSERT INTO meta VALUES ('store_id', ?)", (store_id,))
        other.execute("INSERT INTO meta VALUES ('folds', ?)", (folds_mark(),))
    head = Head(store_id, last.position if last else 0, last.hash if last else bytes(32))
    file = HeadFile(directory / HEAD)
    file.write(head)
    file.sync()
    file.close()
    return head


def _copy(other: sqlite3.Connection, events: list[Event]) -> None:
    other.execute("BEGIN")
    other.executemany(
        f"INSERT INTO events({EVENT_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        [astuple(e) for e in events],
    )
    other.executemany(
        "INSERT INTO sequences VALUES (?,?) ON CONFLICT(tenant) DO UPDATE SET sequence = excluded.sequence",
        [(e.tenant, e.sequence) for e in events],
    )
    fold_into(other, [events])
    other.execute("COMMIT")
