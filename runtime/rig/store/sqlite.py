"""The embedded store's writer side: one connection that writes and checkpoints, nobody else does either.

SQLite up to 3.51.2 may corrupt a database whose WAL is reset while two connections write or checkpoint; with one there is
nothing to race.
"""

import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import astuple

from rig.model.events import encode
from rig.model.tables import BY_NAME, Query, R, Table
from rig.store.backend import Answered, End, Staged, scope_key
from rig.store.batch import ANSWERS_KEPT
from rig.store.chain import GENESIS
from rig.store.engine import Engine
from rig.store.faults import WriteRefused
from rig.store.head import Head, HeadFile
from rig.store.schema import model_table
from rig.store.sql import EVENT_COLUMNS, FOUND, encode_row, fault_of, prefix_end, row_decoder, select, timer_of, upsert
from rig.store.units import Outcome, Timer

log = logging.getLogger(__name__)

CHECKPOINT_BYTES = 16 << 20
"""Estimated size of the WAL at which even a busy writer checkpoints."""
TRUNCATE_BYTES = 64 << 20
"""Size of the WAL file at which it is forced back to nothing."""


def connect(path: Path | str, *, uri: bool = False, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode; readers never checkpoint."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256, uri=uri, timeout=5)
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    if read_only:
        connection.execute("PRAGMA query_only = 1")
    return connection


class SqliteBackend:
    """``rig.store.backend.Backend`` on one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._execute = connection.execute

    def _one(self, sql: str, *arguments: Any) -> Any:
        try:
            return self._execute(sql, arguments).fetchone()
        except sqlite3.Error as error:
            raise fault_of(error) from error

    def _all(self, sql: str, *arguments: Any) -> list[Any]:
        try:
            return self._execute(sql, arguments).fetchall()
        except sqlite3.Error as error:
            raise fault_of(error) from error

    def end(self) -> End:
        found = self._one("SELECT position, hash, at FROM events ORDER BY position DESC LIMIT 1")
        return End(*found) if found else End(0, GENESIS, 0)

    def sequence(self, tenant: str) -> int:
        found = self._one("SELECT sequence FROM sequences WHERE tenant = ?", tenant)
        return found[0] if found else 0

    def versions(self, tenant: str, streams: Sequence[str]) -> Mapping[str, int]:
        return dict(
            self._all(
                "SELECT value, (SELECT coalesce(max(version), 0) FROM events WHERE tenant = ? AND stream = value) FROM json_each(?)",
                tenant,
                encode(streams).decode(),
            )
        )

    def row(self, table: Table[R], tenant: str, key: str) -> R | None:
        found = self._one(f"SELECT doc FROM {model_table(table.name)} WHERE tenant = ? AND key = ?", tenant, key)
        return row_decoder(table.row).decode(found[0]) if found else None

    def found(self, table: Table[R], tenant: str, keys: Sequence[str]) -> Mapping[str, R]:
        decode = row_decoder(table.row).decode
        found = self._all(FOUND.format(model_table(table.name)), tenant, encode(keys).decode())
        return {key: decode(doc) for key, doc in found}

    def scan(self, table: Table[R], tenant: str, prefix: str) -> Iterable[tuple[str, R]]:
        decode = row_decoder(table.row).decode
        sql = f"SELECT key, doc FROM {model_table(table.name)} WHERE tenant = ? AND key >= ? AND key < ? ORDER BY key"
        return [(key, decode(doc)) for key, doc in self._all(sql, tenant, prefix, prefix_end(prefix))]

    def select(self, query: Query[R]) -> list[tuple[str, R]]:
        sql, arguments = select(query)
        decode = row_decoder(query.table.row).decode
        return [(key, decode(doc)) for key, doc in self._all(sql, *arguments)]

    def outcomes(self, scopes: Sequence[str]) -> Mapping[str, Answered]:
        keys = {scope_key(scope): scope for scope in scopes}
        padded = [*keys, *[b""] * (-len(keys) % 16)]  # so that few statements are enough for any number of scopes
        sql = f"SELECT scope, digest, status, body, at FROM answers WHERE scope IN ({','.join('?' * len(padded))})"
        return {
            keys[key]: Answered(digest, Outcome(status, body), at) for key, digest, status, body, at in self._all(sql, *padded)
        }

    def timer(self, tenant: str, key: str) -> Timer | None:
        found = self._one("SELECT key, due, payload FROM timers WHERE tenant = ? AND key = ?", tenant, key)
        return timer_of(*found) if found else None

    def cursor(self, name: str) -> int:
        found = self._one("SELECT position FROM cursors WHERE name = ?", name)
        return found[0] if found else 0

    def write(self, staged: Staged) -> None:
        try:
            self._execute("BEGIN IMMEDIATE")
            self._insert(staged)
            self._execute("COMMIT")
        except OverflowError:  # a number that no column holds: the unit's fault, not the database's
            self._execute("ROLLBACK")
            raise
        except sqlite3.Error as error:
            if self.connection.in_transaction:  # after SQLITE_FULL it is rolled back already
                try:
                    self._execute("ROLLBACK")
                except sqlite3.Error as second:
                    raise fault_of(second) from error
            raise fault_of(error) from error

    def _insert(self, staged: Staged) -> None:
        many = self.connection.executemany
        if staged.events:
            many(
                f"INSERT INTO events({EVENT_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                [astuple(e) for e in staged.events],
            )
            many(
                "INSERT INTO sequences VALUES (?,?) ON CONFLICT(tenant) DO UPDATE SET sequence = excluded.sequence",
                staged.sequences.items(),
            )
        if staged.rows:
            self.write_rows(staged.rows)
        if staged.timers:
            many(
                "INSERT INTO timers VALUES (?,?,?,?) ON CONFLICT(tenant, key) DO UPDATE SET due = excluded.due, payload = excluded.payload",
                [(tenant, t.key, t.due, t.payload) for (tenant, _), t in staged.timers.items() if t is not None],
            )
            many("DELETE FROM timers WHERE tenant = ? AND key = ?", [p for p, t in staged.timers.items() if t is None])
        if staged.cursors:
            many(
                "INSERT INTO cursors VALUES (?,?) ON CONFLICT(name) DO UPDATE SET position = excluded.position",
                staged.cursors.items(),
            )
        if staged.answers:
            many(
                "INSERT OR REPLACE INTO answers VALUES (?,?,?,?,?)",
                [(scope_key(s), a.digest, a.outcome.status, a.outcome.body, a.at) for s, a in staged.answers.items()],
            )

    def write_rows(self, rows: dict[tuple[str, str, str], Any | None]) -> None:
        """Upsert and delete rows of read models, one statement a table; inside the caller's transaction."""
        kept: dict[str, list[tuple[Any, ...]]] = {}
        gone: dict[str, list[tuple[str, str]]] = {}
        for (tenant, name, key), row in rows.items():
            if row is None:
                gone.setdefault(name, []).append((tenant, key))
            else:
                kept.setdefault(name, []).append((tenant, key, encode_row(row), *BY_NAME[name].extract(row)))
        for name, records in kept.items():
            self.connection.executemany(upsert(BY_NAME[name]), records)
        for name, keys in gone.items():
            self.connection.executemany(f"DELETE FROM {model_table(name)} WHERE tenant = ? AND key = ?", keys)


class SqliteKeeper:
    """Keeps the head file, checkpoints and forgets old idempotency keys; called on the writer's thread alone."""

    def __init__(self, connection: sqlite3.Connection, head: HeadFile, wal: Path, store_id: bytes) -> None:
        self._connection = connection
        self._head = head
        self._wal = wal
        self._store_id = store_id
        self._since_checkpoint = 0
        self._last_commit = 0.0
        self._last_sync = time.monotonic()

    def committed(self, engine: Engine) -> None:
        self._head.write(Head(self._store_id, engine.position, engine.hash))
        now = self._last_commit = time.monotonic()
        if now - self._last_sync >= 1:
            self._head.sync()
            self._last_sync = now
        self._since_checkpoint += 1
        if self._since_checkpoint % 64 == 0 and self._wal_size() >= CHECKPOINT_BYTES:
            try:
                self.checkpoint(engine)
            except WriteRefused as fault:  # the commit stands, and the WAL holds it until the disk has room again
                log.warning("the log cannot be moved from its WAL into the database: %s", fault)

    def idle(self, engine: Engine) -> float | None:
        if not self._since_checkpoint:
            return None
        rest = 1 - (time.monotonic() - self._last_commit)
        if rest > 0 and self._wal_size() < 1 << 20:
            return rest
        self.checkpoint(engine)
        return None

    def checkpoint(self, engine: Engine) -> None:
        """Move the WAL into the database, sync the head, forget idempotency keys that are past their day."""
        try:
            self._connection.execute(  # they were written in order of time, and so are their row ids
                "DELETE FROM answers WHERE at < ? AND rowid IN (SELECT rowid FROM answers ORDER BY rowid LIMIT 5000)",
                (engine.clock.now() - ANSWERS_KEPT,),
            )
            mode = "TRUNCATE" if self._wal_size() >= TRUNCATE_BYTES else "PASSIVE"
            self._connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
            self._head.sync()
        except sqlite3.Error as error:
            raise fault_of(error) from error
        self._since_checkpoint = 0

    def _wal_size(self) -> int:
        try:
            return os.stat(self._wal).st_size
        except FileNotFoundError:
            return 0
