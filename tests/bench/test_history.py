"""The big store of the benchmarks is what long use leaves: issues in every state, and a log that is whole."""

import sqlite3
from contextlib import closing
from pathlib import Path

from rig.bench import history
from rig.model.states import VOCABULARY
from rig.model.tables import EXECUTIONS, ISSUES, JOBS, LEASES, QUEUE, USAGE, Query, Table
from rig.store.opening import open_sqlite
from rig.store.verify import DATABASE, check_before_open

EVENTS = 5_000


async def test_a_history_has_as_many_events_and_issues_as_are_asked_for_in_every_state_over_ninety_days(tmp_path: Path) -> None:
    made = await history.make(tmp_path, EVENTS)
    assert abs(made.events - EVENTS) < EVENTS / 20
    assert made.issues == EVENTS // history.EVENTS_AN_ISSUE
    assert check_before_open(tmp_path).end == made.events
    log = open_sqlite(tmp_path).log
    try:
        with log.snapshot() as snapshot:
            assert snapshot.position == made.events

            def count(table: Table, *where: tuple[str, str, object]) -> int:  # type: ignore[type-arg]
                return snapshot.count(Query(table, history.TENANT, where))  # type: ignore[arg-type]

            assert count(ISSUES) == made.issues
            words = {
                VOCABULARY[row.state].conductor for _, row in snapshot.page(Query(ISSUES, history.TENANT, limit=made.issues))
            }
            assert words == {word.conductor for word in VOCABULARY.values()}
            assert snapshot.get(ISSUES, history.TENANT, history.stream(made.issues - 1)) is not None
            assert count(LEASES, ("state", "=", "live")) >= count(EXECUTIONS, ("status", "=", "running")) > 0
            assert count(QUEUE, ("ready", "=", 1)) > 0 < count(QUEUE, ("ready", "=", 0))
            assert count(JOBS) > made.issues / 2
            assert count(USAGE) > made.issues
            (first,), (last,) = snapshot.log(0, 1), snapshot.log(made.events - 1, 1)
            assert 85 < (last.at - first.at) / 86400e6 < 91
    finally:
        await log.close()


async def test_the_idempotency_keys_of_a_history_are_those_of_its_last_day(tmp_path: Path) -> None:
    await history.make(tmp_path, EVENTS)
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
        keys, oldest = connection.execute("SELECT count(*), min(at) FROM answers").fetchone()
        newest = connection.execute("SELECT max(at) FROM events").fetchone()[0]
    assert keys > 0
    assert newest - oldest <= 24 * 3600 * 1_000_000
