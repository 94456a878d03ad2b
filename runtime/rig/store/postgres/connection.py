"""Connections to PostgreSQL: how they are made, what is said of them to people, and what an error of one means."""

import os
import platform
import threading
import time
from typing import Any

import psycopg
from psycopg import conninfo, errors

from rig.errors import ConfigError
from rig.store.faults import Damaged, StoreFault, WriteRefused

SCHEMA = "rig"
"""Schema of all tables, so that a database that is shared with others keeps them apart."""
OLDEST = 140000
"""The oldest server that is supported, as ``server_version_num`` says it."""
PAUSE = 0.25
"""Seconds after a failed try in which no other is made: callers on the event loop must not wait for each."""

_DEFAULTS = {
    "connect_timeout": "3",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""A peer that fell silent is noticed in about ten seconds; the URL may say otherwise."""

_SETTINGS = f"""
SELECT set_config('search_path', '{SCHEMA}', false),
       set_config('tcp_keepalives_idle', '5', false),
       set_config('tcp_keepalives_interval', '2', false),
       set_config('tcp_keepalives_count', '3', false),
       CASE WHEN current_setting('synchronous_commit') IN ('off', 'local')
            THEN set_config('synchronous_commit', 'on', false) END
"""

_ENDED = {"57P01", "57P02", "57P03", "57P05", "25P03"}
"""The server ends the session: shutdown, crash of another, not yet up, idle for too long."""


class Session:
    """One connection in autocommit mode, with short names for what is asked of it; results come in binary."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self.connection = connection
        self.pid = connection.info.backend_pid
        """The server's process that serves this connection."""

    def all(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql.encode(), arguments or None, binary=True).fetchall()

    def one(self, sql: str, *arguments: Any) -> tuple[Any, ...] | None:
        return self.connection.execute(sql.encode(), arguments or None, binary=True).fetchone()

    def run(self, sql: str, *arguments: Any) -> str:
        """A statement without rows; returns its command tag."""
        return self.connection.execute(sql.encode(), arguments or None).statusmessage or ""

    def rollback(self) -> None:
        """End the open transaction, if there is one and the connection still stands."""
        if not self.closed and self.connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            try:
                self.run("ROLLBACK")
            except psycopg.Error:  # the error that led here says more; a connection in doubt is not used again
                self.connection.close()

    @property
    def closed(self) -> bool:
        return self.connection.closed

    def close(self) -> None:
        self.connection.close()


class Server:
    """A database by its URL. ``connect`` may be called from any thread."""

    def __init__(self, url: str) -> None:
        try:
            given = conninfo.conninfo_to_dict(url)
        except psycopg.Error:  # its text quotes the URL, and so the password
            raise ConfigError("store.url is not a PostgreSQL URL: postgresql://USER@HOST:PORT/DATABASE") from None
        self._conninfo = conninfo.make_conninfo(**{**_DEFAULTS, **{k: str(v) for k, v in given.items() if v is not None}})
        self.name = f"rig@{platform.node()} process {os.getpid()}"[:63]
        """What ``pg_stat_activity`` shows of every connection made here."""
        host, user, database = (str(given.get(key) or "") for key in ("host", "user", "dbname"))
        self.shown = f"postgresql://{user + '@' if user else ''}{host or 'localhost'}/{database}"
        """The database for people, without password or options."""
        self._lock = threading.Lock()
        self._failed: tuple[float, str] | None = None

    def connect(self) -> Session:
        """Raises psycopg.OperationalError, whose text names host, user and database and never a password."""
        with self._lock:
            if self._failed is not None and time.monotonic() - self._failed[0] < PAUSE:
                raise psycopg.OperationalError(self._failed[1])
        try:
            connection = psycopg.connect(
                self._conninfo, autocommit=True, application_name=self.name, client_encoding="utf8", prepare_threshold=3
            )
            session = Session(connection)
            session.one(_SETTINGS)
        except psycopg.Error as error:
            with self._lock:
                self._failed = (time.monotonic(), said(error))
            raise
        self._failed = None
        return session


def said(error: psycopg.Error) -> str:
    """The first line of an error, for people."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def in_short(error: psycopg.Error) -> str:
    """An error for callers of the API, who need not know where the server is; the daemon's log says more."""
    return "PostgreSQL cannot be reached" if is_lost(error) else f"PostgreSQL: {said(error)}"


def is_lost(error: psycopg.Error) -> bool:
    """Whether the connection is gone, so that what the server did with the last statement is not told."""
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state in _ENDED or state.startswith("08")


def fault_of(error: psycopg.Error) -> StoreFault:
    """What must follow an error when nothing was stored: no more writes for damage, else a later one may succeed."""
    if isinstance(error, errors.DataCorrupted | errors.IndexCorrupted):
        return Damaged(said(error))
    return WriteRefused(in_short(error))
