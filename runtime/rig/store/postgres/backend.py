"""The writer's side of a store on PostgreSQL: one session that holds the guard, one transaction a batch."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import psycopg
from msgspec.structs import astuple

from rig.errors import DataDirInUse
from rig.model.tables import BY_NAME, Query, R, Table
from rig.store.backend import Answered, End, RowKey, Staged, scope_key
from rig.store.batch import ANSWERS_KEPT
from rig.store.engine import Engine
from rig.store.faults import SyncFailed, Unsettled, WriteRefused
from rig.store.postgres import guard, sql
from rig.store.postgres.connection import Server, Session, fault_of, is_lost, said
from rig.store.postgres.schema import set_meta
from rig.store.postgres.snapshot import PostgresSnapshot
from rig.store.sql import encode_row
from rig.store.units import Timer

log = logging.getLogger(__name__)

T = TypeVar("T")

SETTLE_SECONDS = 2.0
"""How long a batch whose COMMIT was lost is looked for before its callers are told that its outcome is unknown."""


class PostgresBackend:
    """``rig.store.backend.Backend`` on a session that is made again when it is lost.

    Every batch leaves an id of its own in the ``head`` row. A new session first takes the guard, which it gets only when the
    one before is over, and then looks at that id: it is the last batch's (nothing else happened), the one whose COMMIT was
    lost (it was stored after all), or one that nobody here knows. Then another daemon has written, or the server has come
    back without what it had acknowledged, and what this process remembers is worth nothing: SyncFailed ends it.
    """

    def __init__(self, server: Server, session: Session) -> None:
        self._server = server
        self._session = session
        self._batch = _batch_of(session)
        """Id of the newest batch that is known to be stored."""
        self._doubted: bytes | None = None
        """Id of one whose COMMIT got no answer."""

    def end(self) -> End:
        return self._read(lambda s: s.end())

    def sequence(self, tenant: str) -> int:
        return self._read(lambda s: s.as_of(tenant))

    def versions(self, tenant: str, streams: Sequence[str]) -> Mapping[str, int]:
        return self._read(lambda s: s.versions(tenant, streams))

    def row(self, table: Table[R], tenant: str, key: str) -> R | None:
        return self._read(lambda s: s.get(table, tenant, key))

    def found(self, table: Table[R], tenant: str, keys: Sequence[str]) -> Mapping[str, R]:
        return self._read(lambda s: s.found(table, tenant, keys))

    def scan(self, table: Table[R], tenant: str, prefix: str) -> Iterable[tuple[str, R]]:
        return self._read(lambda s: s.scan(table, tenant, prefix))

    def select(self, query: Query[R]) -> list[tuple[str, R]]:
        return self._read(lambda s: s.page(query))

    def outcomes(self, scopes: Sequence[str]) -> Mapping[str, Answered]:
        return self._read(lambda s: s.outcomes(scopes))

    def timer(self, tenant: str, key: str) -> Timer | None:
        return self._read(lambda s: s.timer(tenant, key))

    def cursor(self, name: str) -> int:
        return self._read(lambda s: s.cursor(name))

    def write(self, staged: Staged) -> None:
        batch = os.urandom(16)
        self._again(partial(self._prepare, staged, batch))
        try:
            if self._session.run("COMMIT") != "COMMIT":
                raise WriteRefused("PostgreSQL rolled the batch back")
        except psycopg.Error as error:
            if not is_lost(error):
                self._session.rollback()
                raise fault_of(error) from error
            self._settle(batch, error)
        self._batch = batch

    def forget_answers(self, before: int) -> None:
        """Delete idempotency outcomes from before an instant."""
        self._again(lambda session: session.run("DELETE FROM answers WHERE at < %s", before))

    def mark_verified(self) -> None:
        """Note that the log is known to be whole up to its end."""
        self._again(lambda session: set_meta(session, "verified", str(PostgresSnapshot(session).position).encode()))

    def close(self) -> None:
        self._session.close()

    # A session that holds the guard

    def _read(self, job: Callable[[PostgresSnapshot], T]) -> T:
        return self._again(lambda session: job(PostgresSnapshot(session)))

    def _again(self, job: Callable[[Session], T]) -> T:
        """Run ``job``, once more on a new session when its own turns out to be lost. Raises StoreFault, psycopg.DataError.

        DataError, a value that the database cannot hold, is the unit's fault and not the database's.
        """
        for fresh in (False, True):
            session = self._held()
            try:
                return job(session)
            except psycopg.Error as error:
                session.rollback()
                if isinstance(error, psycopg.DataError):
                    raise
                if not is_lost(error) or fresh:
                    raise fault_of(error) from error
                log.warning("the connection to PostgreSQL was lost: %s", said(error))
                session.close()
            except BaseException:
                session.rollback()
                raise
        raise AssertionError  # the loop returns or raises

    def _held(self) -> Session:
        if self._session.closed:
            self._session = self._connect(self._session.pid)
        return self._session

    def _connect(self, lost: int) -> Session:
        try:
            session = self._server.connect()
        except psycopg.Error as error:
            log.warning("PostgreSQL cannot be reached: %s", said(error))
            raise fault_of(error) from error
        try:
            guard.end_session(session, lost, self._server.name)
            guard.take(session)
            newest = _batch_of(session)
        except psycopg.Error as error:
            session.close()
            raise fault_of(error) from error
        except DataDirInUse as error:
            session.close()
            raise WriteRefused(str(error)) from error
        if newest not in (self._batch, self._doubted):
            session.close()
            raise SyncFailed("the log on PostgreSQL does not go on where this daemon left it; start again to read it anew")
        self._batch, self._doubted = newest, None
        return session

    # A lost COMMIT

    def _settle(self, batch: bytes, error: psycopg.Error) -> None:
        """Return when the batch is stored; raise WriteRefused when it is not, Unsettled when nobody can tell yet."""
        log.warning("the connection to PostgreSQL was lost at COMMIT: %s", said(error))
        self._session.close()
        self._doubted = batch
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            try:
                stored = self._is_stored(batch)
            except WriteRefused as fault:
                if time.monotonic() > deadline:
                    raise Unsettled(
                        f"the outcome of a COMMIT is not known yet: {fault}", partial(self._is_stored, batch)
                    ) from error
                threading.Event().wait(0.1)
            else:
                if stored:
                    return
                raise WriteRefused("the connection to PostgreSQL was lost before the batch was stored")

    def _is_stored(self, batch: bytes) -> bool:
        """Whether a batch became the newest one. Raises StoreFault while the server cannot be asked."""
        self._held()
        return self._batch == batch

    # One batch

    def _prepare(self, staged: Staged, batch: bytes, session: Session) -> None:
        """All of a transaction but its COMMIT, in one round trip."""
        with session.connection.pipeline():
            session.run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
            head = session.connection.execute("SELECT position, batch FROM head FOR UPDATE", binary=True)
            self._insert(session, staged, batch)
        position, newest = head.fetchone() or (None, None)
        if newest != self._batch or (staged.events and staged.events[0].position != position + 1):
            session.rollback()
            raise SyncFailed(f"the log on PostgreSQL is at {position}, where this daemon did not leave it")

    def _insert(self, session: Session, staged: Staged, batch: bytes) -> None:
        if staged.events:
            last = staged.events[-1]
            execute(session, sql.INSERT_EVENTS, *_columns(map(astuple, staged.events)))
            execute(session, sql.SET_SEQUENCES, *_columns(staged.sequences.items()))
            session.run(
                "UPDATE head SET position = %s, hash = %s, at = %s, batch = %s", last.position, last.hash, last.at, batch
            )
        else:
            session.run("UPDATE head SET batch = %s", batch)
        if staged.rows:
            write_rows(session, staged.rows)
        if kept := [(tenant, t.key, t.due, t.payload) for (tenant, _), t in staged.timers.items() if t is not None]:
            execute(session, sql.SET_TIMERS, *_columns(kept))
        if gone := [place for place, t in staged.timers.items() if t is None]:
            execute(session, sql.DELETE_TIMERS, *_columns(gone))
        if staged.cursors:
            execute(session, sql.SET_CURSORS, *_columns(staged.cursors.items()))
        if staged.answers:
            answers = [(scope_key(s), a.digest, a.outcome.status, a.outcome.body, a.at) for s, a in staged.answers.items()]
            execute(session, sql.SET_ANSWERS, *_columns(answers))


class PostgresKeeper:
    """Forgets old idempotency keys when nothing else is to do. There is no head file: the ``head`` row is the anchor."""

    def __init__(self, backend: PostgresBackend) -> None:
        self._backend = backend
        self._last_commit: float | None = None

    def committed(self, engine: Engine) -> None:
        self._last_commit = time.monotonic()

    def idle(self, engine: Engine) -> float | None:
        if self._last_commit is None:
            return None
        rest = 1 - (time.monotonic() - self._last_commit)
        if rest > 0:
            return rest
        self._last_commit = None
        self._backend.forget_answers(engine.clock.now() - ANSWERS_KEPT)
        return None


def write_rows(session: Session, rows: Mapping[RowKey, Any | None]) -> None:
    """Upsert and delete rows of read models, one statement a table; inside the caller's transaction."""
    kept: dict[str, list[tuple[Any, ...]]] = {}
    gone: dict[str, list[tuple[str, str]]] = {}
    for (tenant, name, key), row in rows.items():
        if row is None:
            gone.setdefault(name, []).append((tenant, key))
        else:
            kept.setdefault(name, []).append((tenant, key, encode_row(row), *BY_NAME[name].extract(row)))
    for name, records in kept.items():
        execute(session, sql.upsert(BY_NAME[name]), *_columns(records))
    for name, keys in gone.items():
        execute(session, sql.delete(name), *_columns(keys))


def execute(session: Session, statement: str, *arrays: list[Any]) -> None:
    """A statement over arrays, one a column."""
    session.connection.execute(statement.encode(), arrays)


def _columns(records: Iterable[Iterable[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*records, strict=True)]


def _batch_of(session: Session) -> bytes:
    found = session.one("SELECT batch FROM head")
    assert found is not None
    return found[0]  # type: ignore[no-any-return]
