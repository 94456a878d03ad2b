"""Erasing fields of a stored body (a leaked secret): gone from the files, said in the log, and the chain still verifies."""

import sqlite3
from hashlib import sha256
from pathlib import Path

import msgspec

from rig.clock import SystemClock
from rig.errors import BadRequest, NotFound
from rig.ids import SystemIds
from rig.model.events import NewEvent, encode
from rig.store.engine import Engine
from rig.store.head import Head, HeadFile
from rig.store.lock import DirectoryLock
from rig.store.rebuild import refold
from rig.store.sqlite import SqliteBackend, connect
from rig.store.units import Unit
from rig.store.verify import DATABASE, ERASURES, HEAD, Erasure, check_before_open


def erase(directory: Path, tenant: str, sequence: int, fields: tuple[str, ...], reason: str, principal: str) -> None:
    """Take ``fields`` out of the body of an event; the daemon must be stopped.

    A ``body_erased`` event comes first and commits to what is left, so a crash in between leaves either a whole event or a
    known erasure. The read models are folded again and the files rewritten, so that nothing keeps the old text. Raises
    DataDirInUse, LogCorrupt, NotFound, and BadRequest when the body has none of the fields.
    """
    lock = DirectoryLock(directory)
    try:
        check_before_open(directory)
        connection = connect(directory / DATABASE)
        try:
            _erase(connection, directory, tenant, sequence, fields, reason, principal)
        finally:
            connection.close()
    finally:
        lock.release()


def _erase(
    connection: sqlite3.Connection,
    directory: Path,
    tenant: str,
    sequence: int,
    fields: tuple[str, ...],
    reason: str,
    principal: str,
) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    found = connection.execute("SELECT body FROM events WHERE tenant = ? AND sequence = ?", (tenant, sequence)).fetchone()
    if found is None:
        raise NotFound(f"there is no sequence {sequence}")
    body = msgspec.json.decode(found[0])
    present = tuple(name for name in fields if name in body)
    if not present:
        raise BadRequest(f"event {sequence} has none of the fields {', '.join(fields)}; it has: {', '.join(body)}")
    left = encode({name: value for name, value in body.items() if name not in present})
    erasure = Erasure(sequence, present, sha256(left).hexdigest(), reason)
    engine = Engine(SqliteBackend(connection), SystemClock(), SystemIds())
    said = NewEvent(ERASURES, "body_erased", encode(erasure))
    engine.run([Unit(tenant, (said,), principal=principal, operation="erase")])
    connection.execute("UPDATE events SET body = ? WHERE tenant = ? AND sequence = ?", (left, tenant, sequence))
    refold(connection)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    head = HeadFile(directory / HEAD)
    store_id = connection.execute("SELECT value FROM meta WHERE key = 'store_id'").fetchone()[0]
    head.write(Head(store_id, engine.position, engine.hash))
    head.sync()
    head.close()
