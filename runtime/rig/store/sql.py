"""SQL that both of SQLite's sides share: how rows are decoded, how a ``Query`` reads, and what an error means."""

import sqlite3
from functools import cache
from typing import Any

import msgspec

from rig.model.events import Event
from rig.model.tables import Query, R, Table
from rig.store.schema import model_table
from rig.store.units import Timer
from rig.store.writer import Damaged, StoreFault, SyncFailed, WriteRefused

EVENT_COLUMNS = (
    "position, tenant, sequence, stream, version, type, id, at, principal, operation, request_id, meta, body, body_hash, hash"
)

_SYNC_FAILED = {sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

encode_row = msgspec.json.Encoder().encode


@cache
def row_decoder(row: type[R]) -> msgspec.json.Decoder[R]:
    """The decoder of one table's documents."""
    return msgspec.json.Decoder(row)


def event_of(record: tuple[Any, ...]) -> Event:
    """An event from a record of ``EVENT_COLUMNS``."""
    return Event(*record)


def timer_of(key: str, due: int, payload: bytes) -> Timer:
    """A timer from its record."""
    return Timer(key, due, payload)


def fault_of(error: sqlite3.Error) -> StoreFault:
    """What must follow an error of the database, see the classes."""
    code = getattr(error, "sqlite_errorcode", 0) or 0
    if code in _SYNC_FAILED:
        return SyncFailed(str(error))
    if code & 0xFF in _DAMAGED or type(error) is sqlite3.DatabaseError:
        return Damaged(str(error))
    return WriteRefused(str(error))


_OPERATORS = {"=": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def select(query: Query[Any], what: str = "key, doc", *, paged: bool = True) -> tuple[str, list[Any]]:
    """The statement and the arguments of a query. Names come from the table's declaration, values are bound."""
    columns = {name for name, _ in query.table.columns}
    sql = [f"SELECT {what} FROM {model_table(query.table.name)} WHERE tenant = ?"]
    arguments: list[Any] = [query.tenant]
    for column, operator, value in query.where:
        if column not in columns:
            raise KeyError(column)
        if operator == "in":
            sql.append(f"AND {column} IN ({','.join('?' * len(value))})")
            arguments.extend(value)
        else:
            sql.append(f"AND {column} {_OPERATORS[operator]} ?")
            arguments.append(value)
    if query.after_key is not None:
        sql.append("AND key > ?")
        arguments.append(query.after_key)
    if paged:
        order = []
        for column in query.order:
            name = column.removeprefix("-")
            if name not in columns:
                raise KeyError(name)
            order.append(f"{name} DESC" if column.startswith("-") else name)
        sql.append(f"ORDER BY {', '.join([*order, 'key'])} LIMIT ? OFFSET ?")
        arguments.extend((query.limit, query.offset))
    return " ".join(sql), arguments


def totals(query: Query[Any], by: tuple[str, ...]) -> tuple[str, list[Any]]:
    """The statement and the arguments of ``Snapshot.totals``."""
    columns = {name for name, _ in query.table.columns}
    if not by or not {*by, *query.table.sums} <= columns:
        raise KeyError(by)
    sums = ", ".join(f"sum({name})" for name in query.table.sums)
    sql, arguments = select(query, f"{', '.join(by)}, {sums}", paged=False)
    return f"{sql} GROUP BY {', '.join(by)}", arguments


def prefix_end(prefix: str) -> str:
    """The first text after all texts that start with ``prefix``."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


@cache
def upsert(table: Table[Any]) -> str:
    """The statement that writes a row of a read model."""
    columns = [name for name, _ in table.columns]
    names = ", ".join(["tenant", "key", "doc", *columns])
    places = ", ".join("?" * (3 + len(columns)))
    updates = ", ".join(f"{c} = excluded.{c}" for c in ["doc", *columns])
    return f"INSERT INTO {model_table(table.name)}({names}) VALUES ({places}) ON CONFLICT(tenant, key) DO UPDATE SET {updates}"
