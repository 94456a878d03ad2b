"""The embedded store's readers: as many connections as read at the same time, kept for the next, and none can write."""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rig.clock import Micros
from rig.errors import StorageUnavailable
from rig.model.events import Event, encode
from rig.model.tables import Query, R, Since, Table
from rig.store.backend import scope_key
from rig.store.beside import Beside, Gone
from rig.store.port import Snapshot
from rig.store.reading import Reading
from rig.store.schema import model_table
from rig.store.sql import (
    EVENT_COLUMNS,
    FOUND,
    decode_totals,
    event_of,
    in_one,
    merged,
    row_decoder,
    rows_decoder,
    select,
    timer_of,
    totals,
)
from rig.store.sqlite import connect
from rig.store.units import Outcome, Timer


class SqliteSnapshot:
    """``rig.store.port.Snapshot`` inside one read transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute

    @property
    def position(self) -> int:
        return self._execute("SELECT max(position) FROM events").fetchone()[0] or 0

    def tenants(self) -> list[str]:
        return [t for (t,) in self._execute("SELECT tenant FROM sequences ORDER BY tenant")]

    def as_of(self, tenant: str) -> int:
        found = self._execute("SELECT sequence FROM sequences WHERE tenant = ?", (tenant,)).fetchone()
        return found[0] if found else 0

    def get(self, table: Table[R], tenant: str, key: str) -> R | None:
        found = self._execute(
            f"SELECT doc FROM {model_table(table.name)} WHERE tenant = ? AND key = ?", (tenant, key)
        ).fetchone()
        return row_decoder(table.row).decode(found[0]) if found else None

    def found(self, table: Table[R], tenant: str, keys: Sequence[str]) -> Mapping[str, R]:
        return dict(self._rows(table, FOUND.format(model_table(table.name)), (tenant, encode(keys).decode())))

    def page(self, query: Query[R]) -> list[tuple[str, R]]:
        return self._rows(query.table, *select(query))

    def _rows(self, table: Table[R], sql: str, arguments: Sequence[Any]) -> list[tuple[str, R]]:
        return rows_decoder(table.row).decode(self._execute(in_one(sql), arguments).fetchone()[0])

    def count(self, query: Query[Any]) -> int:
        sql, arguments = select(query, "count(*)", paged=False)
        return self._execute(sql, arguments).fetchone()[0]  # type: ignore[no-any-return]

    def totals(self, query: Query[Any], by: tuple[str, ...], since: Since | None = None) -> list[tuple[Any, ...]]:
        sql, arguments = totals(query, by, since)
        found = decode_totals(self._execute(sql, arguments).fetchone()[0])
        return found if since is None else merged(found, len(by))

    def stream(self, tenant: str, stream: str, after_version: int = 0, limit: int | None = None) -> list[Event]:
        return self._events(
            "tenant = ? AND stream = ? AND version > ? ORDER BY version LIMIT ?", tenant, stream, after_version, limit or -1
        )

    def stream_version(self, tenant: str, stream: str) -> int:
        found = self._execute("SELECT max(version) FROM events WHERE tenant = ? AND stream = ?", (tenant, stream)).fetchone()
        return found[0] or 0

    def events(self, tenant: str, after_sequence: int, limit: int) -> list[Event]:
        return self._events("tenant = ? AND sequence > ? ORDER BY sequence LIMIT ?", tenant, after_sequence, limit)

    def log(self, after_position: int, limit: int) -> list[Event]:
        return self._events("position > ? ORDER BY position LIMIT ?", after_position, limit)

    def _events(self, where: str, *arguments: Any) -> list[Event]:
        return [event_of(r) for r in self._execute(f"SELECT {EVENT_COLUMNS} FROM events WHERE {where}", arguments)]

    def outcome(self, scope: str) -> tuple[bytes, Outcome] | None:
        found = self._execute("SELECT digest, status, body FROM answers WHERE scope = ?", (scope_key(scope),)).fetchone()
        return (found[0], Outcome(found[1], found[2])) if found else None

    def timers(self, due_before: Micros, limit: int) -> list[tuple[str, Timer]]:
        found = self._execute(
            "SELECT tenant, key, due, payload FROM timers WHERE due <= ? ORDER BY due, tenant, key LIMIT ?", (due_before, limit)
        )
        return [(tenant, timer_of(key, due, payload)) for tenant, key, due, payload in found]

    def timer(self, tenant: str, key: str) -> Timer | None:
        found = self._execute("SELECT key, due, payload FROM timers WHERE tenant = ? AND key = ?", (tenant, key)).fetchone()
        return timer_of(*found) if found else None

    def next_due(self) -> Micros | None:
        return self._execute("SELECT min(due) FROM timers").fetchone()[0]  # type: ignore[no-any-return]

    def cursor(self, name: str) -> int:
        found = self._execute("SELECT position FROM cursors WHERE name = ?", (name,)).fetchone()
        return found[0] if found else 0


THREADS = 4
"""As many lists are read at once; a heavy sum takes one of them at most."""


class SqliteReader:
    """``rig.store.log.Reader``: the loop's thread reads single rows itself, lists go to a small pool.

    Once all of the pool is busy, a process is started that takes what can be sent to it (``Reading``) from then on.
    """

    gives_way = 0.01
    """Commits share processors and disk with lists: who claims or reports is served first."""

    def __init__(self, path: Path, *, threads: int = THREADS) -> None:
        self._path = path
        self._idle: deque[sqlite3.Connection] = deque()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="rig-reader")
        self._free = threads
        self._beside = Beside(path)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        try:
            connection = self._take()
            try:
                connection.execute("BEGIN")
                try:
                    yield SqliteSnapshot(connection)
                finally:
                    connection.execute("ROLLBACK")
            finally:
                self._idle.append(connection)
        except sqlite3.Error as error:
            raise StorageUnavailable(f"the store cannot be read: {error}") from error

    def get(self, table: Table[R], tenant: str, key: str) -> R | None:
        try:
            connection = self._take()
            try:
                return SqliteSnapshot(connection).get(table, tenant, key)
            finally:
                self._idle.append(connection)
        except sqlite3.Error as error:
            raise StorageUnavailable(f"the store cannot be read: {error}") from error

    def _take(self) -> sqlite3.Connection:
        """A connection that nobody else has. None belongs to a thread: plugins read on threads that last for one call."""
        try:
            return self._idle.pop()
        except IndexError:
            return connect(self._path, read_only=True)

    async def run(self, job: Callable[[Snapshot], Any]) -> Any:
        if isinstance(job, Reading) and self._beside.ready:
            with suppress(Gone):
                return await self._beside.read(job)
        self._free -= 1
        if self._free <= 0:
            self._beside.want()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, job)
        finally:
            self._free += 1

    def _run(self, job: Callable[[Snapshot], Any]) -> Any:
        with self.snapshot() as snapshot:
            return job(snapshot)

    def close(self) -> None:
        self._beside.close()
        self._pool.shutdown(wait=True)
        while self._idle:
            self._idle.pop().close()
