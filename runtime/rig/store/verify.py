"""Is the log what it was? Compared with the head file before SQLite opens the database for real, then walked (I6).

Opening and closing a damaged WAL deletes intact frames behind the damage, so everything here works on a hard link of the
database, opened read-only, and a copy of its WAL: the files stay as they were.
"""

import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from rig.errors import LogCorrupt
from rig.store.chain import Break, Walker
from rig.store.head import Head, read_head
from rig.store.sql import EVENT_COLUMNS, event_of
from rig.store.sqlite import connect

DATABASE = "log.db"
HEAD = "head"
CHUNK = 2000
VERIFIED_AT_START = 100_000
"""Events that are walked before the daemon is ready, even when they were verified before; older ones in the background."""


ERASURES = "erasures"
"""Reserved stream of ``body_erased``."""


class Erasure(msgspec.Struct, frozen=True):
    """Body of ``body_erased``: whose body lost which fields, and the digest of the rest."""

    sequence: int
    fields: tuple[str, ...]
    digest: str
    reason: str


_erasure = msgspec.json.Decoder(Erasure).decode


class Verified(msgspec.Struct, frozen=True):
    """How far the log is known to be whole."""

    position: int
    end: int


@contextmanager
def untouched(directory: Path) -> Iterator[sqlite3.Connection]:
    """The database as it stands, WAL included, on a connection that can change nothing.

    Yields a connection; raises LogCorrupt when the files are not a database at all.
    """
    scratch = Path(tempfile.mkdtemp(prefix="verify-", dir=directory))
    try:
        source, copy = directory / DATABASE, scratch / DATABASE
        try:
            os.link(source, copy)
        except OSError:
            shutil.copy2(source, copy)
        wal = source.with_name(source.name + "-wal")
        if wal.exists():
            shutil.copy2(wal, copy.with_name(copy.name + "-wal"))
        connection = connect(f"file:{copy}?mode=ro", uri=True, read_only=True)
        try:
            yield connection
        finally:
            connection.close()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def first_break(
    connection: sqlite3.Connection, after: int = 0, until: int | None = None, *, chunk: int = CHUNK, pause: float = 0.0
) -> Break | None:
    """Walk the log behind position ``after`` (0: all of it); the first break, None when there is none.

    ``pause`` is seconds after each chunk, for a walk beside other work: it needs the interpreter for itself while it hashes.
    """
    try:
        known = erasures(connection)
    except sqlite3.Error:
        known = {}
    walker = Walker(erased=known)
    if after:
        found = connection.execute("SELECT hash FROM events WHERE position = ?", (after,)).fetchone()
        if found is None:
            return Break(after, _sequence_near(connection, after), f"position {after} is missing")
        walker = Walker(after, found[0], whole=False, erased=known)
    while until is None or walker.position < until:
        try:
            rows = connection.execute(
                f"SELECT {EVENT_COLUMNS} FROM events WHERE position > ? ORDER BY position LIMIT ?", (walker.position, chunk)
            ).fetchall()
        except sqlite3.Error as error:
            return _bisect(connection, walker, str(error))
        if not rows:
            return None
        broken = walker.walk(map(event_of, rows))
        if broken is not None:
            return broken
        if pause:
            threading.Event().wait(pause)
    return None


def erasures(connection: sqlite3.Connection) -> dict[tuple[str, int], bytes]:
    """What the log says was erased: (tenant, sequence) to the digest of the body that is left."""
    return erased(
        connection.execute(
            "SELECT tenant, body FROM events WHERE tenant IN (SELECT tenant FROM sequences) AND stream = ?", (ERASURES,)
        )
    )


def erased(said: Iterable[tuple[str, bytes]]) -> dict[tuple[str, int], bytes]:
    """What (tenant, body) of ``body_erased`` events say."""
    left = {}
    for tenant, body in said:
        erasure = _erasure(body)
        left[tenant, erasure.sequence] = bytes.fromhex(erasure.digest)
    return left


def _bisect(connection: sqlite3.Connection, walker: Walker, why: str) -> Break:
    """A page of this chunk cannot be read: walk it event by event to name the first one that is lost."""
    while True:
        try:
            row = connection.execute(
                f"SELECT {EVENT_COLUMNS} FROM events WHERE position = ?", (walker.position + 1,)
            ).fetchone()
        except sqlite3.Error:
            row = None
        if row is None:
            return Break(walker.position + 1, _sequence_near(connection, walker.position + 1), why)
        broken = walker.walk([event_of(row)])
        if broken is not None:
            return broken


def _sequence_near(connection: sqlite3.Connection, position: int) -> int:
    """The sequence that stood at a lost position: one more than that of the event before."""
    try:
        found = connection.execute(
            "SELECT sequence FROM events WHERE position < ? ORDER BY position DESC LIMIT 1", (position,)
        ).fetchone()
    except sqlite3.Error:
        return position
    return found[0] + 1 if found else 1


def check_head(connection: sqlite3.Connection, head: Head | None) -> Break | None:
    """Compare the log's end with the head file; a database that is ahead of it is a crash in between and fine."""
    if head is None or head.position == 0:
        return None
    try:
        found = connection.execute("SELECT hash, sequence FROM events WHERE position = ?", (head.position,)).fetchone()
        last = connection.execute("SELECT max(position) FROM events").fetchone()[0] or 0
    except sqlite3.Error as error:
        return first_break(connection) or Break(head.position, head.position, str(error))
    if found is None:
        lost = Break(last + 1, _sequence_near(connection, last + 1), f"the log ends at {last}, its head says {head.position}")
        return first_break(connection) or lost
    if found[0] != head.hash:
        return first_break(connection) or Break(head.position, found[1], "the log's end is not the one its head names")
    return None


def has_log(connection: sqlite3.Connection) -> bool:
    """Whether the database is past its making; a process that was killed in its first moments leaves one without tables."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'events'").fetchone() is not None


def check_before_open(directory: Path) -> Verified:
    """What ``rig serve`` checks before it opens the log. Raises LogCorrupt that names the first bad sequence.

    The files are left as they were.
    """
    if not (directory / DATABASE).exists():
        return _check_absent(directory)
    with untouched(directory) as connection:
        try:
            if not has_log(connection):
                return _check_absent(directory)
            broken = check_head(connection, read_head(directory / HEAD))
            end = connection.execute("SELECT max(position) FROM events").fetchone()[0] or 0
            mark = min(_mark(connection), max(0, end - VERIFIED_AT_START))
            broken = broken or first_break(connection, mark)
        except sqlite3.Error as error:
            broken = _unreadable(connection)
            if broken is None:
                raise LogCorrupt(f"the database cannot be read: {error}; the log in it can", sequence=1) from error
    if broken is not None:
        raise corrupt(broken)
    return Verified(mark, end)


def _unreadable(connection: sqlite3.Connection) -> Break | None:
    """The first event of a database that SQLite cannot read; None when all of them can be."""
    try:
        return first_break(connection)
    except sqlite3.Error as error:
        return Break(1, 1, str(error))


def _check_absent(directory: Path) -> Verified:
    head = read_head(directory / HEAD)
    if head is not None and head.position:
        raise corrupt(Break(1, 1, f"the log is gone, its head says {head.position} events"))
    return Verified(0, 0)


def _mark(connection: sqlite3.Connection) -> int:
    found = connection.execute("SELECT value FROM meta WHERE key = 'verified'").fetchone()
    return int(found[0]) if found else 0


def corrupt(broken: Break, remedy: str = "restore a backup with `rig restore`") -> LogCorrupt:
    """The error for a break, in words for an operator."""
    return LogCorrupt(
        f"the log is damaged at sequence {broken.sequence}: {broken.why}; nothing was changed. Run `rig doctor`, then {remedy}",
        sequence=broken.sequence,
    )
