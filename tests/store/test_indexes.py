"""Lists that the program asks for by a column are searched by an index of SQLite's, however long their table has grown."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from rig.clock import ManualClock
from rig.ids import SeededIds
from rig.model.tables import DELIVERIES, EXECUTIONS, KEYS, LEASES, QUESTIONS, STEERS, TRACKED, UNAPPLIED, Query, Table
from rig.store.opening import open_sqlite
from rig.store.sql import select
from rig.store.verify import DATABASE
from tests.contracts.store import TENANT


@pytest.fixture
async def database(tmp_path: Path) -> sqlite3.Connection:
    await open_sqlite(tmp_path, clock=ManualClock(), ids=SeededIds(1)).log.close()
    return sqlite3.connect(tmp_path / DATABASE)


@pytest.mark.parametrize(
    ("table", "column", "more", "order"),
    [
        (KEYS, "digest", (), ()),
        (KEYS, "api", (), ()),
        (LEASES, "state", (), ()),
        (QUESTIONS, "lease", (), ()),
        (EXECUTIONS, "issue", (), ("-started_at",)),
        (STEERS, "issue", (), ("-requested_sequence",)),
        (DELIVERIES, "id", (), ("-at",)),
        (DELIVERIES, "body", (("at", ">", 5),), ()),
        (TRACKED, "stream", (), ()),
        (TRACKED, "stream", (), ("stream",)),
        (TRACKED, "tracker", (), ()),
        (UNAPPLIED, "stream", (), ()),
    ],
)
async def test_a_list_by_a_column_is_searched_by_it(
    database: sqlite3.Connection, table: Table[Any], column: str, more: Any, order: tuple[str, ...]
) -> None:
    sql, arguments = select(Query(table, TENANT, ((column, "=", "x"), *more), order, 10))
    plan = [detail for *_, detail in database.execute(f"EXPLAIN QUERY PLAN {sql}", arguments)]
    database.close()
    assert f"tenant=? AND {column}=?" in plan[0]
