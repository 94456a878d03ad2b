"""Opening the embedded store: lock, check, migrate, and fold again when the folds have changed."""

import asyncio
import os
import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path

from rig.clock import Clock, SystemClock
from rig.errors import ConfigError, LogCorrupt, StorageUnavailable
from rig.ids import Ids
from rig.store import rebuild, schema
from rig.store.chain import Break
from rig.store.head import Head, HeadFile
from rig.store.lock import DirectoryLock
from rig.store.log import Log
from rig.store.sql import fault_of
from rig.store.sqlite import SqliteBackend, SqliteKeeper, connect
from rig.store.sqlite_reader import SqliteReader
from rig.store.verify import DATABASE, HEAD, check_before_open, corrupt, first_break

BESIDE = 100
"""Events that are walked at a time while the daemon serves: a millisecond of the interpreter."""
PAUSE = 0.005
"""Seconds until the next: what is asked of the daemon meanwhile waits for a fifth of them, and for that millisecond."""


def make_directory(directory: Path) -> None:
    """The data directory, for its owner alone. Raises ConfigError that says what is wrong with it."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"the data directory {directory} cannot be made: {error.strerror}") from None
    if not directory.is_dir() or not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigError(f"the data directory {directory} cannot be written")


class EmbeddedStore:
    """An open data directory: the log, and what goes on beside it."""

    def __init__(self, log: Log, directory: Path, verified: int, end: int) -> None:
        self.log = log
        self.directory = directory
        self.verified = verified
        """Position up to which the chain was walked some earlier time, not in this run."""
        self._end = end

    async def verify_older(self) -> None:
        """Walk what was not walked before the start, off the loop; on damage the store goes read-only."""
        if self.verified:
            broken = await asyncio.to_thread(self._walk)
            if broken is not None:
                self.log.refuse(corrupt(broken))

    def _walk(self) -> Break | None:
        connection = connect(self.directory / DATABASE, read_only=True)
        try:
            return first_break(connection, 0, self.verified, chunk=BESIDE, pause=PAUSE)
        finally:
            connection.close()


def open_sqlite(
    directory: Path,
    *,
    clock: Clock | None = None,
    ids: Ids | None = None,
    on_fatal: Callable[[BaseException], None] | None = None,
) -> EmbeddedStore:
    """Open (or make) the store of a data directory, on a running event loop.

    Raises DataDirInUse, LogCorrupt, SchemaTooNew, ConfigError, StorageUnavailable; the files are then as they were.
    """
    make_directory(directory)
    try:
        lock = DirectoryLock(directory)
    except OSError as error:
        raise ConfigError(f"the data directory {directory} cannot be written: {error.strerror}") from None
    try:
        return _open(directory, lock, clock or SystemClock(), ids, on_fatal)
    except BaseException:
        lock.release()
        raise


def _open(
    directory: Path,
    lock: DirectoryLock,
    clock: Clock,
    ids: Ids | None,
    on_fatal: Callable[[BaseException], None] | None,
) -> EmbeddedStore:
    verified = check_before_open(directory)
    database = directory / DATABASE
    try:
        connection = connect(database)
        os.chmod(database, 0o600)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA cache_size = -16384")
        schema.migrate(connection)
        store_id = _store_id(connection)
        rebuild.refold_if_needed(connection)
    except sqlite3.Error as error:
        fault = fault_of(error)
        raise StorageUnavailable(f"the store cannot be opened: {fault}") from error
    backend = SqliteBackend(connection)
    end = backend.end()
    if isinstance(clock, SystemClock):
        clock.raise_floor(end.at)
    head = HeadFile(directory / HEAD)
    head.write(Head(store_id, end.position, end.hash))
    head.write(Head(store_id, end.position, end.hash))
    head.sync()
    keeper = SqliteKeeper(connection, head, database.with_name(database.name + "-wal"), store_id)

    async def closing() -> None:
        def finish() -> None:
            if log.refusal is None:
                connection.execute(
                    "INSERT OR REPLACE INTO meta VALUES ('verified', ?)", (str(SqliteBackend(connection).end().position),)
                )
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            head.sync()
            head.close()
            connection.close()
            lock.release()

        await asyncio.to_thread(finish)

    log = Log(backend, SqliteReader(database), clock=clock, ids=ids, keeper=keeper, on_fatal=on_fatal, closing=closing)
    return EmbeddedStore(log, directory, verified.position, verified.end)


def _store_id(connection: sqlite3.Connection) -> bytes:
    """16 random bytes that tell this store from any other."""
    found = connection.execute("SELECT value FROM meta WHERE key = 'store_id'").fetchone()
    if found is None:
        connection.execute("INSERT INTO meta VALUES ('store_id', ?)", (secrets.token_bytes(16),))
        return _store_id(connection)
    if not isinstance(found[0], bytes) or len(found[0]) != 16:
        raise LogCorrupt("the store's identity is damaged", sequence=1)
    return found[0]
