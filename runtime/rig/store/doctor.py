"""Checking an installation's store without changing a byte of it: head, chain, pages, read models, segments (I6)."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from rig.errors import Conflict, NotFound
from rig.model.events import NewEvent, encode
from rig.store.chain import Break
from rig.store.head import read_head
from rig.store.lock import DirectoryLock, holder
from rig.store.rebuild import digests, folded_again, folds_differ
from rig.store.sqlite import connect
from rig.store.verify import DATABASE, HEAD, check_head, first_break, has_log, untouched

FIXED_IN = ((3, 51, 3), (3, 50, 7), (3, 44, 6))
"""SQLite releases without the WAL-reset bug, newest line first; the two others are backports."""


class Finding(msgspec.Struct, frozen=True):
    """One line of the doctor's report."""

    level: Literal["ok", "warn", "fail"]
    check: str
    text: str
    sequence: int | None = None
    """First bad sequence, None when the finding is not about one."""


@contextmanager
def reading(directory: Path) -> Iterator[sqlite3.Connection]:
    """A connection that changes nothing: beside a running daemon as one more reader, else on untouched files."""
    if not (directory / DATABASE).exists():
        raise NotFound(f"there is no store in {directory}")
    if holder(directory) is None:
        with untouched(directory) as connection:
            yield connection
        return
    connection = connect(f"file:{directory / DATABASE}?mode=ro", uri=True, read_only=True)
    try:
        connection.execute("BEGIN")
        yield connection
    finally:
        connection.close()


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """Whether a SQLite release may corrupt a database that two connections write or checkpoint at once."""
    for fixed in FIXED_IN:
        if version[:2] == fixed[:2]:
            return version < fixed
    return (3, 7, 0) <= version < FIXED_IN[0]


def examine(directory: Path) -> list[Finding]:
    """All checks of a store, in order; a failed one does not end the others."""
    findings = [_sqlite_version(), _disk(directory)]
    pid = holder(directory)
    if not (directory / DATABASE).exists():
        return [*findings, _absent(directory)]
    findings.append(Finding("ok", "owner", f"process {pid} serves from it" if pid else "no daemon is running"))
    try:
        with reading(directory) as connection:
            findings.extend(_examine(connection, directory, running=pid is not None))
    except sqlite3.Error as error:
        findings.append(Finding("fail", "chain", f"damaged at sequence 1: the database cannot be read: {error}", 1))
    return findings


def _absent(directory: Path) -> Finding:
    """What a directory without a log means."""
    head = read_head(directory / HEAD)
    if head is not None and head.position:
        return Finding("fail", "chain", f"the log is gone, its head says {head.position} events", 1)
    return Finding("ok", "store", "there is no store yet")


def _examine(connection: sqlite3.Connection, directory: Path, *, running: bool) -> Iterator[Finding]:
    if not has_log(connection):
        yield _absent(directory)
        return
    # A running daemon writes its head after the snapshot was taken, so only a stopped one can be compared with it.
    broken = (None if running else check_head(connection, read_head(directory / HEAD))) or first_break(connection)
    end = _count(connection)
    if broken is not None:
        yield Finding("fail", "chain", f"damaged at sequence {broken.sequence}: {broken.why}", broken.sequence)
    else:
        yield Finding("ok", "chain", f"{end} events, every hash follows from the one before")
    pages = [text for (text,) in connection.execute("PRAGMA integrity_check(5)")]
    yield Finding("ok", "pages", "sound") if pages == ["ok"] else Finding("fail", "pages", "; ".join(pages))
    if broken is None:
        yield from _read_models(connection)


def _count(connection: sqlite3.Connection) -> int:
    try:
        return connection.execute("SELECT count(*) FROM events").fetchone()[0]  # type: ignore[no-any-return]
    except sqlite3.Error:
        return 0


def _read_models(connection: sqlite3.Connection) -> Iterator[Finding]:
    if folds_differ(connection):
        yield Finding("ok", "read models", "made by another version of Rig; the next start folds them again")
        return
    with tempfile.TemporaryDirectory() as scratch:
        wanted = folded_again(connection, Path(scratch) / "fold.db")
    found = digests(connection)
    for stored, folded in zip(found, wanted, strict=True):
        if stored != folded:
            yield Finding("fail", "read models", f"{stored.table} is not what the log says; run `rig rebuild`")
    if found == wanted:
        yield Finding("ok", "read models", f"{len(found)} tables are what the log says")


def _sqlite_version() -> Finding:
    if has_wal_reset_bug(sqlite3.sqlite_version_info):
        return Finding(
            "warn",
            "sqlite",
            f"{sqlite3.sqlite_version} has the WAL-reset bug; Rig writes on one connection, other tools must not",
        )
    return Finding("ok", "sqlite", sqlite3.sqlite_version)


def _disk(directory: Path) -> Finding:
    place = directory if directory.exists() else directory.parent
    free = shutil.disk_usage(place if place.exists() else Path("/")).free
    text = f"{free >> 20} MiB free"
    return Finding("warn" if free < 512 << 20 else "ok", "disk", text)


def accept_head(directory: Path, principal: str) -> Break | None:
    """Go on with a shortened log: make the head file say what the database holds, and log who decided it.

    Returns what was wrong, None when nothing was. Raises Conflict when the log itself is broken, not only shorter.
    """
    lock = DirectoryLock(directory)
    try:
        with untouched(directory) as connection:
            wrong = check_head(connection, read_head(directory / HEAD))
            inner = first_break(connection)
        if inner is not None:
            raise Conflict(f"the log is broken at sequence {inner.sequence} ({inner.why}); only `rig restore` helps")
        if wrong is None:
            return None
        os.unlink(directory / HEAD)
    finally:
        lock.release()
    return wrong


def head_accepted(wrong: Break, principal: str) -> NewEvent:
    """The event that says so, for the next start to store."""
    return NewEvent("daemon", "head_accepted", encode({"sequence": wrong.sequence, "why": wrong.why, "by": principal}))
