"""Taking a store out and in: NDJSON export, online backup, restore (F32)."""

import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from rig.clock import iso_exact, micros
from rig.errors import Conflict, LogCorrupt, NotFound
from rig.model.events import Event
from rig.store.doctor import reading
from rig.store.head import Head, HeadFile
from rig.store.lock import DirectoryLock
from rig.store.rebuild import read_log
from rig.store.sqlite import connect
from rig.store.verify import DATABASE, HEAD, check_before_open, corrupt, first_break

BESIDE = ("blobs", "deliveries", "logs", "overlay.toml", "secrets.sealed", "vault.check")
"""What else of a data directory a backup takes; never the master key, without which the sealed values are useless."""


def export_line(event: Event) -> bytes:
    """An event as one NDJSON line; a body that was erased is null."""
    return msgspec.json.encode(
        {
            "position": event.position,
            "tenant": event.tenant,
            "sequence": event.sequence,
            "streamId": event.stream,
            "version": event.version,
            "type": event.type,
            "id": event.id,
            "at": iso_exact(event.at),
            "principal": event.principal,
            "operation": event.operation,
            "requestId": event.request_id,
            "meta": msgspec.Raw(event.meta),
            "data": msgspec.Raw(event.body or b"null"),
            "bodyHash": event.body_hash.hex(),
            "hash": event.hash.hex(),
        }
    )


def import_line(line: bytes) -> Event:
    """The event of an exported line, for checking an export by itself."""
    said = msgspec.json.decode(line, type=dict[str, msgspec.Raw])

    def text(name: str) -> str:
        return msgspec.json.decode(said[name], type=str)

    def number(name: str) -> int:
        return msgspec.json.decode(said[name], type=int)

    return Event(
        number("position"),
        text("tenant"),
        number("sequence"),
        text("streamId"),
        number("version"),
        text("type"),
        text("id"),
        micros(text("at")),
        text("principal"),
        text("operation"),
        text("requestId"),
        bytes(said["meta"]),
        bytes(said["data"]),
        bytes.fromhex(text("bodyHash")),
        bytes.fromhex(text("hash")),
    )


def export(directory: Path, until: int | None = None) -> Iterator[bytes]:
    """The whole log as NDJSON lines, up to a sequence when one is given (of every tenant)."""
    with reading(directory) as connection:
        yield from export_lines(read_log(connection), until)


def export_lines(chunks: Iterable[list[Event]], until: int | None = None) -> Iterator[bytes]:
    """Events as NDJSON lines, up to a sequence when one is given."""
    for events in chunks:
        for event in events:
            if until is None or event.sequence <= until:
                yield export_line(event)


def backup(directory: Path, destination: Path) -> Head:
    """A consistent copy of a data directory, also beside a running daemon, as one new directory.

    The database is copied by SQLite's own backup; the copy is walked before it is called a backup. Raises Conflict when the
    destination exists, NotFound without a store, LogCorrupt when the copy does not verify.
    """
    if not (directory / DATABASE).exists():
        raise NotFound(f"there is no store in {directory}")
    if destination.exists():
        raise Conflict(f"{destination} exists already; name a new directory")
    part = destination.with_name(destination.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700, parents=True)
    try:
        with reading(directory) as source, closing(sqlite3.connect(part / DATABASE)) as target:
            if source.in_transaction:
                source.execute("ROLLBACK")
            source.backup(target)
        head = _write_head(part)
        for name in BESIDE:
            _copy_beside(directory / name, part / name)
        os.rename(part, destination)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return head


def _write_head(directory: Path) -> Head:
    with closing(connect(directory / DATABASE)) as connection:
        broken = first_break(connection)
        if broken is not None:
            raise corrupt(broken)
        last = connection.execute("SELECT position, hash FROM events ORDER BY position DESC LIMIT 1").fetchone()
        store_id = connection.execute("SELECT value FROM meta WHERE key = 'store_id'").fetchone()[0]
        connection.execute("PRAGMA journal_mode = DELETE")
    head = Head(store_id, *(last or (0, bytes(32))))
    file = HeadFile(directory / HEAD)
    file.write(head)
    file.sync()
    file.close()
    return head


def _copy_beside(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    elif source.exists():
        shutil.copy2(source, target)


def restore(source: Path, directory: Path) -> Head:
    """Put a backup in place of an empty data directory. Leases of the past are void: they expire at the next start.

    Raises Conflict when the directory holds a store, NotFound when the source holds none, LogCorrupt when it is damaged.
    """
    if not (source / DATABASE).exists():
        raise NotFound(f"there is no backup in {source}")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = DirectoryLock(directory)
    try:
        if (directory / DATABASE).exists():
            raise Conflict(f"{directory} holds a store already; move it away first")
        check_before_open(source)
        shutil.copy2(source / DATABASE, directory / DATABASE)
        shutil.copy2(source / HEAD, directory / HEAD)
        for name in BESIDE:
            _copy_beside(source / name, directory / name)
        with closing(connect(directory / DATABASE)) as connection:
            broken = first_break(connection)
            if broken is not None:
                raise corrupt(broken)
            connection.execute("UPDATE timers SET due = 0 WHERE key LIKE 'lease:%'")
        return _write_head(directory)
    except LogCorrupt:
        for name in (DATABASE, HEAD):
            (directory / name).unlink(missing_ok=True)
        raise
    finally:
        lock.release()
