"""Opening a store on PostgreSQL: guard, check, migrate, and fold again when the folds have changed."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from rig.clock import Clock, SystemClock
from rig.errors import NotFound, StorageUnavailable
from rig.ids import Ids
from rig.store.chain import Break
from rig.store.faults import StoreFault
from rig.store.log import Log
from rig.store.postgres import guard, rebuild, schema
from rig.store.postgres.backend import PostgresBackend, PostgresKeeper
from rig.store.postgres.connection import Server, Session, said
from rig.store.postgres.reader import PostgresReader
from rig.store.postgres.verify import check, damaged, first_break

log = logging.getLogger(__name__)


class SharedStore:
    """An open store on PostgreSQL: the log, and what goes on beside it."""

    def __init__(self, log: Log, server: Server, verified: int) -> None:
        self.log = log
        self._server = server
        self.verified = verified
        """Position up to which the chain was walked some earlier time, not in this run."""

    async def verify_older(self) -> None:
        """Walk what was not walked before the start, off the loop; on damage the store goes read-only."""
        if self.verified:
            broken = await asyncio.to_thread(self._walk)
            if broken is not None:
                self.log.refuse(damaged(broken))

    def _walk(self) -> Break | None:
        session = self._server.connect()
        try:
            return first_break(session, 0, self.verified)
        finally:
            session.close()


def open_postgres(
    url: str,
    *,
    clock: Clock | None = None,
    ids: Ids | None = None,
    on_fatal: Callable[[BaseException], None] | None = None,
) -> SharedStore:
    """Open (or make) the store in a database, on a running event loop.

    Raises DataDirInUse, LogCorrupt, SchemaTooNew, ConfigError, StorageUnavailable; the database is then as it was.
    """
    server = Server(url)
    clock = clock or SystemClock()
    with reached(server):
        session = server.connect()
        try:
            verified = _prepare(session)
            backend = PostgresBackend(server, session)
            end = backend.end()
        except BaseException:
            session.close()
            raise
    if isinstance(clock, SystemClock):
        clock.raise_floor(end.at)
    reader = PostgresReader(server)

    async def closing() -> None:
        await asyncio.to_thread(_close, backend, opened)

    opened = Log(backend, reader, clock=clock, ids=ids, keeper=PostgresKeeper(backend), on_fatal=on_fatal, closing=closing)
    return SharedStore(opened, server, verified)


def _prepare(session: Session) -> int:
    """Guard, check, migrate, refold; how far the log was verified before."""
    schema.check_server(session)
    guard.take(session)
    verified = 0
    if schema.has_log(session):
        schema.missing(session)
        verified = check(session).position
    schema.migrate(session)
    schema.store_id(session)
    if rebuild.folds_differ(session):
        rebuild.refold(session)
    if session.one("SELECT current_setting('fsync')") == ("off",):
        log.warning("fsync is off on this PostgreSQL: a crash of its machine loses what was acknowledged")
    return verified


def _close(backend: PostgresBackend, opened: Log) -> None:
    """Mark the log as verified and let go of the guard; a server that is gone must not keep the daemon from ending."""
    try:
        if opened.refusal is None:
            backend.mark_verified()
    except (StoreFault, psycopg.Error) as error:
        log.warning("the log could not be marked as verified: %s", error)
    backend.close()


@contextmanager
def reached(server: Server) -> Iterator[None]:
    """Say in one line that the server could not do it. Raises StorageUnavailable."""
    try:
        yield
    except psycopg.Error as error:
        raise StorageUnavailable(f"the store on {server.shown} cannot be opened: {said(error)}") from None


@contextmanager
def reading(url: str) -> Iterator[Session]:
    """A session to read a store that is there, also beside a running daemon. Raises NotFound, StorageUnavailable."""
    server = Server(url)
    with reached(server):
        session = server.connect()
        try:
            if not schema.has_log(session):
                raise NotFound(f"there is no store in {server.shown}")
            yield session
        finally:
            session.close()


@contextmanager
def alone(url: str) -> Iterator[Session]:
    """A session that holds the guard of a store that is there and whose log is whole, for offline work.

    Raises DataDirInUse, LogCorrupt, NotFound, SchemaTooNew, StorageUnavailable.
    """
    server = Server(url)
    with reached(server):
        session = server.connect()
        try:
            if not schema.has_log(session):
                raise NotFound(f"there is no store in {server.shown}")
            guard.take(session)
            schema.missing(session)
            check(session)
            yield session
        finally:
            session.close()
