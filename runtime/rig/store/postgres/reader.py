"""Readers of a store on PostgreSQL: as many sessions as read at the same time, kept for the next."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg

from rig.errors import StorageUnavailable
from rig.model.tables import R, Table
from rig.store.port import Snapshot
from rig.store.postgres.connection import Server, Session, in_short, is_lost, said
from rig.store.postgres.snapshot import PostgresSnapshot

log = logging.getLogger(__name__)

BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresReader:
    """``rig.store.log.Reader``: single rows on the caller's thread, which waits for one round trip; lists in a small pool.

    A session that turns out to be dead (the server was restarted) is replaced without the caller seeing it; only when no
    new one can be had is StorageUnavailable raised.
    """

    gives_way = 0.0
    """The server sees to it that neither waits for the other."""

    def __init__(self, server: Server, *, threads: int = 2) -> None:
        self._server = server
        self._idle: deque[Session] = deque()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="rig-reader")

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        try:
            session = self._begun()
            try:
                yield PostgresSnapshot(session)
            finally:
                session.rollback()
                self._give_back(session)
        except psycopg.Error as error:
            raise _unavailable(error) from error

    def get(self, table: Table[R], tenant: str, key: str) -> R | None:
        try:
            session = self._take()
            try:
                return PostgresSnapshot(session).get(table, tenant, key)
            except psycopg.Error as error:
                if not is_lost(error):
                    raise
                session = self._afresh()
                return PostgresSnapshot(session).get(table, tenant, key)
            finally:
                self._give_back(session)
        except psycopg.Error as error:
            raise _unavailable(error) from error

    async def run(self, job: Callable[[Snapshot], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, job)

    def _run(self, job: Callable[[Snapshot], Any]) -> Any:
        with self.snapshot() as snapshot:
            return job(snapshot)

    def close(self) -> None:
        self._pool.shutdown(wait=True)
        self._drop_idle()

    # Sessions; a deque's ends are safe to use from several threads

    def _begun(self) -> Session:
        session = self._take()
        try:
            session.run(BEGIN)
        except psycopg.Error as error:
            if not is_lost(error):
                raise
            session = self._afresh()
            session.run(BEGIN)
        return session

    def _take(self) -> Session:
        try:
            return self._idle.pop()
        except IndexError:
            return self._server.connect()

    def _afresh(self) -> Session:
        """A new session after one that was dead; those that waited beside it are dead too."""
        self._drop_idle()
        return self._server.connect()

    def _give_back(self, session: Session) -> None:
        if not session.closed:
            self._idle.append(session)

    def _drop_idle(self) -> None:
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:
                return


def _unavailable(error: psycopg.Error) -> StorageUnavailable:
    log.warning("the store cannot be read: %s", said(error))
    return StorageUnavailable(f"the store cannot be read: {in_short(error)}")
