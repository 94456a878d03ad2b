"""The SQLite schema and its migrations: applied by name, in order, once; a store from a newer Rig is refused."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import fields
from sqlite_utils import Database

from rig.errors import SchemaTooNew
from rig.model.tables import ALL, Table

FOLDS_VERSION = 2
"""Raise it when a fold changes; that a row or a table did shows by itself, see ``folds_mark``."""


def folds_mark(tables: Iterable[Table[Any]] = ALL) -> str:
    """What a store remembers of how its read models were made: where it is another one, they are made anew at the next start."""
    declared = [
        (t.name, t.columns, t.indexes, t.sums, [(f.encode_name, str(f.type), repr(f.default)) for f in fields(t.row)])
        for t in tables
    ]
    return f"{FOLDS_VERSION}-{hashlib.sha256(repr(declared).encode()).hexdigest()[:16]}"


_MIGRATIONS: list[Callable[[Database], None]] = []


def _migration(step: Callable[[Database], None]) -> Callable[[Database], None]:
    _MIGRATIONS.append(step)
    return step


@_migration
def m001_log(db: Database) -> None:
    """Events, heads, timers, cursors, idempotency outcomes."""
    db.table("events").create(
        {
            "position": int,
            "tenant": str,
            "sequence": int,
            "stream": str,
            "version": int,
            "type": str,
            "id": str,
            "at": int,
            "principal": str,
            "operation": str,
            "request_id": str,
            "meta": bytes,
            "body": bytes,
            "body_hash": bytes,
            "hash": bytes,
        },
        pk="position",
        not_null={"tenant", "sequence", "stream", "version", "type", "id", "at", "meta", "body", "body_hash", "hash"},
    )
    db.table("events").create_index(["tenant", "stream", "version"], index_name="events_stream", unique=True)
    db.table("events").create_index(["tenant", "sequence"], index_name="events_sequence", unique=True)
    db.table("sequences").create({"tenant": str, "sequence": int}, pk="tenant", not_null={"sequence"})
    db.table("timers").create(
        {"tenant": str, "key": str, "due": int, "payload": bytes}, pk=("tenant", "key"), not_null={"due", "payload"}
    )
    db.table("timers").create_index(["due"], index_name="timers_due")
    db.table("cursors").create({"name": str, "position": int}, pk="name", not_null={"position"})
    db.table("answers").create(
        {"scope": bytes, "digest": bytes, "status": int, "body": bytes, "at": int},
        pk="scope",
        not_null={"digest", "status", "body", "at"},
    )


@_migration
def m002_read_models(db: Database) -> None:
    """The read models. No later migration is needed for them: ``FOLDS_VERSION`` makes them anew."""
    make_read_models(db)


def make_read_models(db: Database, *, indexed: bool = True) -> None:
    """One empty table a read model, as ``rig.model.tables`` declares them, in place of those that there are."""
    for name in db.table_names():
        if name.startswith(model_table("")):
            db.table(name).drop()
    for table in ALL:
        create_read_model(db, table)
    if indexed:
        index_read_models(db)


def create_read_model(db: Database, table: Table[Any]) -> None:
    """The table of one read model."""
    types: dict[str, type] = {"TEXT": str, "INTEGER": int}
    db.table(model_table(table.name)).create(
        {"tenant": str, "key": str, "doc": bytes, **{c: types[t] for c, t in table.columns}},
        pk=("tenant", "key"),
        not_null={"doc"},
    )


def index_read_models(db: Database) -> None:
    """The indexes that lists read; a table that is filled first gets them in a fraction of the time."""
    for table in ALL:
        name = model_table(table.name)
        for columns in table.indexes:
            db.table(name).create_index(["tenant", *columns], index_name=f"{name}_{'_'.join(columns)}")


def model_table(name: str) -> str:
    """The SQL name of a read model."""
    return f"model_{name}"


def migrate(connection: sqlite3.Connection) -> None:
    """Apply what is missing, all or nothing, so that a process killed amid it leaves the store as it was (F4).

    Raises SchemaTooNew for a store with migrations that this Rig does not know.
    """
    db = Database(connection)
    known = [step.__name__ for step in _MIGRATIONS]
    applied = {row["name"] for row in db.table("migrations").rows} if "migrations" in db.table_names() else None
    if newer := sorted((applied or set()) - set(known)):
        raise SchemaTooNew(f"the store was written by a newer Rig ({newer[-1]}); upgrade Rig or restore a backup")
    missing = [step for step in _MIGRATIONS if step.__name__ not in (applied or ())]
    if not missing:
        return
    connection.execute("BEGIN IMMEDIATE")
    if applied is None:
        db.table("migrations").create({"name": str}, pk="name")
        db.table("meta").create({"key": str, "value": bytes}, pk="key")
    for step in missing:
        step(db)
    connection.executemany("INSERT INTO migrations(name) VALUES (?)", [(step.__name__,) for step in missing])
    connection.execute("COMMIT")
