"""SQL that both of SQLite's sides share: how rows are decoded, how a ``Query`` reads, and what an error means."""

import sqlite3
from collections.abc import Sequence
from functools import cache
from operator import add, itemgetter
from typing import Any

import msgspec

from rig.model.events import Event
from rig.model.tables import ALL, Query, R, Since, Table, Where
from rig.store.faults import Damaged, StoreFault, SyncFailed, WriteRefused
from rig.store.schema import model_table
from rig.store.units import Timer

EVENT_COLUMNS = (
    "position, tenant, sequence, stream, version, type, id, at, principal, operation, request_id, meta, body, body_hash, hash"
)

_SYNC_FAILED = {sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

FOUND = "SELECT key, doc FROM {} WHERE tenant = ? AND key IN (SELECT value FROM json_each(?))"
"""The rows of a read model by a JSON array of keys."""

encode_row = msgspec.json.Encoder().encode


_ONE: dict[type[Any], msgspec.json.Decoder[Any]] = {t.row: msgspec.json.Decoder(t.row) for t in ALL}
_ALL: dict[type[Any], msgspec.json.Decoder[Any]] = {t.row: msgspec.json.Decoder(list[tuple[str, t.row]]) for t in ALL}  # type: ignore[name-defined]
"""All are made at import: msgspec ends the process when two threads make the first decoder of a type at the same time."""


def row_decoder(row: type[R]) -> msgspec.json.Decoder[R]:
    """The decoder of one table's documents."""
    return _ONE[row]


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


def rows_decoder(row: type[R]) -> msgspec.json.Decoder[list[tuple[str, R]]]:
    """The decoder of what ``in_one`` gives."""
    return _ALL[row]


def in_one(rows: str) -> str:
    """A statement for all ``key, doc`` of another one as one JSON array of pairs.

    Each row that is fetched lets go of the interpreter and has to get it back, for which many that read at once wait longer than
    for the rows.
    """
    return f"SELECT CAST('[' || coalesce(group_concat('[' || json_quote(key) || ',' || doc || ']'), '') || ']' AS BLOB) FROM ({rows})"


_OPERATORS = {"=": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def select(query: Query[Any], what: str = "key, doc", *, paged: bool = True) -> tuple[str, list[Any]]:
    """The statement and the arguments of a query. Names come from the table's declaration, values are bound."""
    if paged and query.order and (query.offset or _alternatives(query)):
        return _picked(query)
    sql, arguments = _matching(query, query.where, what)
    if paged:
        sql += f" ORDER BY {', '.join(_order(query))} LIMIT ? OFFSET ?"
        arguments += (query.limit, query.offset)
    return sql, arguments


def _picked(query: Query[Any]) -> tuple[str, list[Any]]:
    """A page in two steps: which rows, from an index alone, then their documents.

    In one step SQLite reads every row that an offset skips, and all rows of an ``in`` to sort them; so each value of an ``in``
    is a search of its own, whose results come in the order of the index and are merged.
    """
    order = _order(query)
    columns = [term.removesuffix(" DESC") for term in order]
    searches, arguments = [], []
    column, values = _alternatives(query) or ("", ())
    for where in [_instead(query, column, value) for value in values] or [query.where]:
        sql, bound = _matching(query, where, ", ".join([*columns, "rowid AS entry"]))
        searches.append(sql)
        arguments += bound
    pick = f"{' UNION ALL '.join(searches)} ORDER BY {', '.join(order)} LIMIT ? OFFSET ?"
    rows = f"{model_table(query.table.name)} AS found ON found.rowid = place.entry"
    terms = ", ".join(f"place.{term}" for term in order)
    arguments += (query.limit, query.offset)
    return f"SELECT found.key, found.doc FROM ({pick}) AS place JOIN {rows} ORDER BY {terms}", arguments


def _alternatives(query: Query[Any]) -> tuple[str, Sequence[Any]] | None:
    """The first column that may have one of several values."""
    return next(((column, value) for column, operator, value in query.where if operator == "in" and value), None)


def _instead(query: Query[Any], column: str, value: Any) -> Where:
    """The conditions, with one value for that column in place of several."""
    return tuple((c, "=", value) if (c, operator) == (column, "in") else (c, operator, v) for c, operator, v in query.where)


def _order(query: Query[Any]) -> list[str]:
    """The terms of ORDER BY: rows that are equal by all columns come by key, in the direction of the last."""
    columns = {name for name, _ in query.table.columns}
    terms = []
    for column in query.order:
        name = column.removeprefix("-")
        if name not in columns:
            raise KeyError(name)
        terms.append(f"{name} DESC" if column.startswith("-") else name)
    return [*terms, "key DESC" if query.order and query.order[-1].startswith("-") else "key"]


def _matching(query: Query[Any], where: Where, what: str, tenant: str = "tenant = ?") -> tuple[str, list[Any]]:
    columns = {name for name, _ in query.table.columns}
    sql = [f"SELECT {what} FROM {model_table(query.table.name)} WHERE {tenant}"]
    arguments: list[Any] = [query.tenant]
    for column, operator, value in where:
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
    return " ".join(sql), arguments


decode_totals = msgspec.json.Decoder(list[tuple[Any, ...]]).decode


def totals(query: Query[Any], by: tuple[str, ...], since: Since | None) -> tuple[str, list[Any]]:
    """The statement and the arguments of ``Snapshot.totals``.

    Its answer is one JSON array, for ``decode_totals`` (why, see ``in_one``). With ``since`` it has a record for each running total,
    for ``merged``: few fall together, and SQLite takes as long to group them as to find them.
    """
    columns = {name for name, _ in query.table.columns}
    if not by or not {*by, *query.table.sums} <= columns:
        raise KeyError(by)
    groups, sums = [f"total.{name}" for name in by], [f"total.{name}" for name in query.table.sums]
    if since is None:
        rows, arguments = _matching(query, query.where, "*")
        added = ", ".join(f"sum({name})" for name in sums)
        each = f"SELECT json_array({', '.join(groups)}, {added}) AS line FROM ({rows}) AS total GROUP BY {', '.join(groups)}"
    else:
        account, lines = f"past.{since.prefix}account", f"past.{since.prefix}lines"
        grown = ", ".join(f"total.{name} - past.{since.prefix}{name}" for name in query.table.sums)
        newest = f"past.tenant = ? AND {account} = total.opened AND past.at < ? ORDER BY past.at DESC, {lines} DESC LIMIT 1"
        past = f"SELECT json_array({', '.join(groups)}, {grown}) FROM {model_table(since.history.name)} AS past WHERE {newest}"
        all_of_it = f"json_array({', '.join([*groups, *sums])})"
        # in the order in which they were opened, which is the history's: each page of it is read once, not for each total
        in_order = f"rowid IN (SELECT rowid FROM {model_table(query.table.name)} WHERE tenant = ?)"
        rows, arguments = _matching(query, query.where, "*", in_order)
        each = f"SELECT coalesce(({past}), {all_of_it}) AS line FROM ({rows}) AS total"
        arguments = [query.tenant, since.at, *arguments]
    return f"SELECT CAST('[' || coalesce(group_concat(line), '') || ']' AS BLOB) FROM ({each})", arguments


def merged(records: list[tuple[Any, ...]], width: int) -> list[tuple[Any, ...]]:
    """Records whose first ``width`` values are the same as one, the others added up."""
    if len(set(map(itemgetter(slice(width)), records))) == len(records):
        return records
    groups: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for record in records:
        group = record[:width]
        known = groups.get(group)
        groups[group] = record if known is None else (*group, *map(add, known[width:], record[width:]))
    return list(groups.values())


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
