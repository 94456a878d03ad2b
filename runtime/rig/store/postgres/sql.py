"""The statements whose text depends on a table or a query; all values are bound."""

from functools import cache
from typing import Any

from rig.model.tables import Query, Since, Table
from rig.store.schema import model_table
from rig.store.sql import EVENT_COLUMNS

_OPERATORS = {"=": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_ARRAYS = {"TEXT": "text[]", "INTEGER": "bigint[]"}

INSERT_EVENTS = f"""
INSERT INTO events ({EVENT_COLUMNS}) SELECT * FROM unnest(
    %b::bigint[], %b::text[], %b::bigint[], %b::text[], %b::bigint[], %b::text[], %b::text[], %b::bigint[],
    %b::text[], %b::text[], %b::text[], %b::bytea[], %b::bytea[], %b::bytea[], %b::bytea[])
"""
SET_SEQUENCES = """
INSERT INTO sequences SELECT * FROM unnest(%b::text[], %b::bigint[])
ON CONFLICT (tenant) DO UPDATE SET sequence = excluded.sequence
"""
SET_TIMERS = """
INSERT INTO timers SELECT * FROM unnest(%b::text[], %b::text[], %b::bigint[], %b::bytea[])
ON CONFLICT (tenant, key) DO UPDATE SET due = excluded.due, payload = excluded.payload
"""
DELETE_TIMERS = "DELETE FROM timers WHERE (tenant, key) IN (SELECT * FROM unnest(%b::text[], %b::text[]))"
SET_CURSORS = """
INSERT INTO cursors SELECT * FROM unnest(%b::text[], %b::bigint[])
ON CONFLICT (name) DO UPDATE SET position = excluded.position
"""
SET_ANSWERS = """
INSERT INTO answers SELECT * FROM unnest(%b::bytea[], %b::bytea[], %b::integer[], %b::bytea[], %b::bigint[])
ON CONFLICT (scope) DO UPDATE SET digest = excluded.digest, status = excluded.status, body = excluded.body, at = excluded.at
"""


def where(query: Query[Any]) -> tuple[str, list[Any]]:
    """The condition of a query and its arguments. Raises KeyError for a column that the table does not declare."""
    columns = {name for name, _ in query.table.columns}
    sql = ["tenant = %s"]
    arguments: list[Any] = [query.tenant]
    for column, operator, value in query.where:
        if column not in columns:
            raise KeyError(column)
        if operator == "in":
            sql.append(f"AND {column} = ANY(%s)")
            arguments.append(list(value))
        else:
            sql.append(f"AND {column} {_OPERATORS[operator]} %s")
            arguments.append(value)
    if query.after_key is not None:
        sql.append("AND key > %s")
        arguments.append(query.after_key)
    return " ".join(sql), arguments


def select(query: Query[Any]) -> tuple[str, list[Any]]:
    """The statement and the arguments of a page. NULL sorts first, last when descending, as in SQLite."""
    condition, arguments = where(query)
    columns = {name for name, _ in query.table.columns}
    order = []
    for column in (*query.order, "-key" if query.order and query.order[-1].startswith("-") else "key"):
        name = column.removeprefix("-")
        if name not in columns | {"key"}:
            raise KeyError(name)
        order.append(f"{name} DESC NULLS LAST" if column.startswith("-") else f"{name} NULLS FIRST")
    sql = f"SELECT key, doc FROM {model_table(query.table.name)} WHERE {condition} ORDER BY {', '.join(order)}"
    return f"{sql} LIMIT %s OFFSET %s", [*arguments, query.limit, query.offset]


def totals(query: Query[Any], by: tuple[str, ...], since: Since | None) -> tuple[str, list[Any]]:
    """The statement and the arguments of ``Snapshot.totals``."""
    columns = {name for name, _ in query.table.columns}
    if not by or not {*by, *query.table.sums} <= columns:
        raise KeyError(by)
    condition, arguments = where(query)
    groups = ", ".join(f"total.{name}" for name in by)
    if since is None:
        sums, past = [f"sum(total.{name})::bigint" for name in query.table.sums], ""
    else:
        sums = [f"sum(total.{name} - coalesce(past.{since.prefix}{name}, 0))::bigint" for name in query.table.sums]
        table, account, lines = model_table(since.history.name), f"{since.prefix}account", f"{since.prefix}lines"
        newest = (
            f"SELECT * FROM {table} WHERE tenant = %s AND {account} = total.opened AND at < %s "
            f"ORDER BY at DESC NULLS LAST, {lines} DESC NULLS LAST LIMIT 1"
        )
        past = f" LEFT JOIN LATERAL ({newest}) AS past ON true"
        arguments += (query.tenant, since.at)
    rows = f"(SELECT * FROM {model_table(query.table.name)} WHERE {condition}) AS total"
    return f"SELECT {groups}, {', '.join(sums)} FROM {rows}{past} GROUP BY {groups}", arguments


@cache
def upsert(table: Table[Any]) -> str:
    """The statement that writes rows of a read model; one array a column."""
    columns = [name for name, _ in table.columns]
    arrays = ["text[]", "text[]", "bytea[]", *(_ARRAYS[kind] for _, kind in table.columns)]
    updates = ", ".join(f"{c} = excluded.{c}" for c in ["doc", *columns])
    return (
        f"INSERT INTO {model_table(table.name)} ({', '.join(['tenant', 'key', 'doc', *columns])}) "
        f"SELECT * FROM unnest({', '.join(f'%b::{kind}' for kind in arrays)}) "
        f"ON CONFLICT (tenant, key) DO UPDATE SET {updates}"
    )


@cache
def delete(table: str) -> str:
    """The statement that deletes rows of a read model by tenants and keys."""
    return f"DELETE FROM {model_table(table)} WHERE (tenant, key) IN (SELECT * FROM unnest(%b::text[], %b::text[]))"
