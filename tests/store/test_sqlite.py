"""The embedded store: the contract, and what only a store on disk must do."""

import asyncio
import json
import os
import shutil
import sqlite3
import threading
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import psutil
import pytest

from rig.clock import ManualClock
from rig.errors import BadRequest, Conflict, DataDirInUse, LogCorrupt, SchemaTooNew
from rig.ids import SeededIds
from rig.model import rows
from rig.model.tables import ISSUES, Table
from rig.store import doctor, erasure, rebuild, transfer
from rig.store.backend import Staged
from rig.store.lock import holder
from rig.store.log import Log
from rig.store.opening import EmbeddedStore, open_sqlite
from rig.store.schema import folds_mark
from rig.store.sqlite import SqliteBackend, SqliteKeeper
from rig.store.sqlite_reader import SqliteReader
from rig.store.units import Idempotency
from rig.store.verify import DATABASE, HEAD, check_before_open
from tests.contracts.store import TENANT, StoreContract, claim, fact, unit


class TestSqliteStore(StoreContract):
    async def open_store(self, clock: ManualClock, path: Any) -> Log:
        return open_sqlite(path / "data", clock=clock, ids=self.ids()).log


def opened(path: Path) -> EmbeddedStore:
    return open_sqlite(path, clock=ManualClock(), ids=SeededIds(1))


async def filled(path: Path, issues: int = 40, *, crash: bool = False) -> None:
    """A store with some history; ``crash`` leaves it as a killed process would (WAL not checkpointed)."""
    store = opened(path)
    for number in range(1, issues + 1):
        await store.log.commit(unit(fact("ISSUE_APPROVED", number, title=f"issue {number}")))
    await store.log.claim(claim())
    await store.log.commit(unit(fact("WORK_STARTED", 1, agentId="a-1"), fact("ISSUE_DONE", 2)))
    if crash:
        copy = path.with_name(path.name + "-crashed")
        copy.mkdir()
        for name in (DATABASE, DATABASE + "-wal", HEAD):
            shutil.copy2(path / name, copy / name)
        await store.log.close()
        shutil.rmtree(path)
        copy.rename(path)
    else:
        await store.log.close()


def contents(path: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in path.iterdir() if p.is_file() and p.name != "lock"}


async def test_readings_on_threads_that_end_leave_nothing_open(tmp_path: Path) -> None:
    """Every call of a plugin has a thread of its own, and a daemon that opens files for each has none left one day."""
    await filled(tmp_path / "data", 2)
    store = opened(tmp_path / "data")

    def read() -> None:
        with store.log.snapshot() as snapshot:
            assert snapshot.get(ISSUES, TENANT, "acme/app#1") is not None
        assert store.log.get(ISSUES, TENANT, "acme/app#1") is not None

    def opens() -> int:
        return sum(file.path.startswith(str(tmp_path)) for file in psutil.Process().open_files())

    read()
    before = opens()
    for _ in range(20):
        thread = Thread(target=read)
        thread.start()
        thread.join()
    after = opens()
    await store.log.close()
    assert (after, opens()) == (before, 0)


async def test_a_store_opens_again_with_all_it_had(tmp_path: Path) -> None:
    await filled(tmp_path / "d")
    store = opened(tmp_path / "d")
    with store.log.snapshot() as snapshot:
        assert snapshot.position == 44
        assert snapshot.get(ISSUES, TENANT, "acme/app#1").state == "in_progress"  # type: ignore[union-attr]
    await store.log.close()


async def test_a_killed_store_loses_nothing(tmp_path: Path) -> None:
    """I1"""
    await filled(tmp_path / "d", crash=True)
    store = opened(tmp_path / "d")
    with store.log.snapshot() as snapshot:
        assert snapshot.position == 44
    await store.log.close()


async def test_a_second_owner_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    """I28"""
    store = opened(tmp_path / "d")
    with pytest.raises(DataDirInUse, match=str(os.getpid())):
        opened(tmp_path / "d")
    assert holder(tmp_path / "d") == os.getpid()
    await store.log.close()
    assert holder(tmp_path / "d") is None


@pytest.mark.parametrize("where", [0.2, 0.5, 0.8])
async def test_a_flipped_bit_in_the_wal_is_reported_and_the_files_stay(tmp_path: Path, where: float) -> None:
    """I6: SQLite itself would open this shortened and say ok."""
    path = tmp_path / "d"
    await filled(path, crash=True)
    wal = path / (DATABASE + "-wal")
    raw = bytearray(wal.read_bytes())
    raw[int(len(raw) * where)] ^= 1
    wal.write_bytes(raw)
    before = contents(path)
    with pytest.raises(LogCorrupt) as caught:
        opened(path)
    assert caught.value.sequence is not None
    assert contents(path) == before
    assert any(f.level == "fail" and f.sequence == caught.value.sequence for f in doctor.examine(path))
    assert contents(path) == before


async def test_a_flipped_bit_in_a_stored_event_is_reported_with_its_sequence(tmp_path: Path) -> None:
    """I6"""
    path = tmp_path / "d"
    await filled(path)
    database = path / DATABASE
    raw = database.read_bytes()
    at = raw.index(b'"issueNumber":17,"title":"issue 17"') + 30
    database.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
    before = contents(path)
    with pytest.raises(LogCorrupt) as caught:
        opened(path)
    assert caught.value.sequence == 17
    assert contents(path) == before
    failed = [f for f in doctor.examine(path) if f.level == "fail"]
    assert failed[0].sequence == 17


@pytest.mark.parametrize("cut", ["tail", "half", "empty", "gone"])
async def test_a_cut_database_is_reported_and_the_files_stay(tmp_path: Path, cut: str) -> None:
    """I6"""
    path = tmp_path / "d"
    await filled(path)
    database = path / DATABASE
    size = database.stat().st_size
    if cut == "gone":
        database.unlink()
    else:
        os.truncate(database, {"tail": size - 4096, "half": size // 2 // 4096 * 4096, "empty": 0}[cut])
    before = contents(path)
    with pytest.raises(LogCorrupt) as caught:
        opened(path)
    assert caught.value.sequence is not None
    assert contents(path) == before
    assert any(f.level == "fail" for f in doctor.examine(path))


async def test_a_lost_wal_is_reported(tmp_path: Path) -> None:
    """I6"""
    path = tmp_path / "d"
    await filled(path, crash=True)
    (path / (DATABASE + "-wal")).unlink()
    with pytest.raises(LogCorrupt):
        opened(path)


async def test_swapped_events_are_reported(tmp_path: Path) -> None:
    """I6"""
    path = tmp_path / "d"
    await filled(path)
    connection = sqlite3.connect(path / DATABASE)
    connection.execute("UPDATE events SET position = -1 WHERE position = 5")
    connection.execute("UPDATE events SET position = 5 WHERE position = 6")
    connection.execute("UPDATE events SET position = 6 WHERE position = -1")
    connection.commit()
    connection.close()
    with pytest.raises(LogCorrupt) as caught:
        opened(path)
    assert caught.value.sequence in (5, 6)


async def test_a_database_ahead_of_its_head_is_a_crash_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "d"
    await filled(path, 3)
    head = (path / HEAD).read_bytes()
    store = opened(path)
    await store.log.commit(unit(fact("ISSUE_APPROVED", 50)))
    await store.log.close()
    (path / HEAD).write_bytes(head)
    assert check_before_open(path).end == 8
    await opened(path).log.close()


async def test_only_accept_head_goes_on_with_a_shortened_log(tmp_path: Path) -> None:
    path = tmp_path / "d"
    await filled(path, 10)
    connection = sqlite3.connect(path / DATABASE)
    connection.execute("DELETE FROM events WHERE position > 12")
    connection.execute("UPDATE sequences SET sequence = 12")
    connection.commit()
    connection.close()
    with pytest.raises(LogCorrupt) as caught:
        opened(path)
    assert caught.value.sequence == 13
    wrong = doctor.accept_head(path, "operator")
    assert wrong is not None
    assert wrong.sequence == 13
    await opened(path).log.close()
    assert doctor.accept_head(path, "operator") is None


async def test_the_doctor_is_content_with_a_healthy_store(tmp_path: Path) -> None:
    await filled(tmp_path / "d")
    assert [f for f in doctor.examine(tmp_path / "d") if f.level == "fail"] == []


async def test_the_doctor_reads_beside_a_running_daemon(tmp_path: Path) -> None:
    store = opened(tmp_path / "d")
    await store.log.commit(unit(fact("ISSUE_APPROVED")))
    assert [f for f in doctor.examine(tmp_path / "d") if f.level == "fail"] == []
    await store.log.commit(unit(fact("ISSUE_APPROVED", 2)))
    await store.log.close()


async def test_a_changed_read_model_is_found_and_rebuilt(tmp_path: Path) -> None:
    """I5"""
    path = tmp_path / "d"
    await filled(path)
    connection = sqlite3.connect(path / DATABASE, isolation_level=None)
    good = rebuild.digests(connection)
    connection.execute("UPDATE model_issues SET doc = replace(doc, 'in_progress', 'done')")
    assert [f.check for f in doctor.examine(path) if f.level == "fail"] == ["read models"]
    rebuild.refold(connection)
    assert rebuild.digests(connection) == good
    connection.close()


async def test_read_models_made_by_other_folds_are_folded_again_at_start(tmp_path: Path) -> None:
    path = tmp_path / "d"
    await filled(path)
    connection = sqlite3.connect(path / DATABASE, isolation_level=None)
    good = rebuild.digests(connection)
    connection.execute("DELETE FROM model_issues")
    connection.execute("UPDATE meta SET value = '0' WHERE key = 'folds'")
    connection.close()
    await opened(path).log.close()
    connection = sqlite3.connect(path / DATABASE, isolation_level=None)
    assert rebuild.digests(connection) == good
    connection.close()


async def test_the_time_machine_gives_the_store_as_it_stood(tmp_path: Path) -> None:
    await filled(tmp_path / "d", 10)
    with doctor.reading(tmp_path / "d") as connection:
        rebuild.store_until(rebuild.read_log(connection), rebuild.stored_id(connection), tmp_path / "then", position=4)
    store = opened(tmp_path / "then")
    with store.log.snapshot() as snapshot:
        assert snapshot.position == 4
        assert snapshot.get(ISSUES, TENANT, "acme/app#4") is not None
        assert snapshot.get(ISSUES, TENANT, "acme/app#5") is None
    await store.log.close()


async def test_a_backup_beside_a_running_daemon_restores_elsewhere(tmp_path: Path) -> None:
    """F32"""
    path = tmp_path / "d"
    store = opened(path)
    for number in range(1, 6):
        await store.log.commit(unit(fact("ISSUE_APPROVED", number)))
    await store.log.claim(claim())
    transfer.backup(path, tmp_path / "backup")
    with pytest.raises(Conflict):
        transfer.backup(path, tmp_path / "backup")
    await store.log.commit(unit(fact("ISSUE_APPROVED", 99)))
    await store.log.close()
    transfer.restore(tmp_path / "backup", tmp_path / "new")
    assert [f for f in doctor.examine(tmp_path / "new") if f.level == "fail"] == []
    again = opened(tmp_path / "new")
    with again.log.snapshot() as snapshot:
        assert snapshot.as_of(TENANT) == 7
        assert [t.key for _, t in snapshot.timers(0, 10)] == ["lease:l-1"]
    await again.log.close()
    with pytest.raises(Conflict):
        transfer.restore(tmp_path / "backup", tmp_path / "new")


async def test_a_damaged_backup_is_not_restored(tmp_path: Path) -> None:
    """I6"""
    await filled(tmp_path / "d")
    transfer.backup(tmp_path / "d", tmp_path / "b")
    database = tmp_path / "b" / DATABASE
    raw = database.read_bytes()
    at = raw.index(b'"issueNumber":9,"title":"issue 9"') + 28
    database.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
    with pytest.raises(LogCorrupt):
        transfer.restore(tmp_path / "b", tmp_path / "new")
    assert not (tmp_path / "new" / DATABASE).exists()


async def test_the_export_has_every_event_in_order(tmp_path: Path) -> None:
    await filled(tmp_path / "d", 5)
    lines = [json.loads(line) for line in transfer.export(tmp_path / "d")]
    assert [line["position"] for line in lines] == list(range(1, 10))
    assert lines[0]["data"]["title"] == "issue 1"


async def test_a_store_of_a_newer_rig_is_refused_untouched(tmp_path: Path) -> None:
    """F30"""
    path = tmp_path / "d"
    await filled(path, 2)
    connection = sqlite3.connect(path / DATABASE)
    connection.execute("INSERT INTO migrations VALUES ('m999_future')")
    connection.commit()
    connection.close()
    with pytest.raises(SchemaTooNew):
        opened(path)


@pytest.mark.parametrize(
    ("version", "bad"),
    [
        ((3, 40, 1), True),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 50, 7), False),
        ((3, 44, 6), False),
        ((3, 44, 5), True),
        ((3, 53, 0), False),
    ],
)
def test_the_wal_reset_bug_is_known_by_release(version: tuple[int, int, int], bad: bool) -> None:
    assert doctor.has_wal_reset_bug(version) is bad


async def test_an_erased_field_is_gone_from_the_files_and_the_chain_still_verifies(tmp_path: Path) -> None:
    path = tmp_path / "d"
    store = opened(path)
    await store.log.commit(unit(fact("ISSUE_APPROVED", 1, title="plain", description="the password is hunter2-hunter2")))
    await store.log.commit(unit(fact("ISSUE_APPROVED", 2)))
    await store.log.close()
    with pytest.raises(BadRequest):
        erasure.erase(path, TENANT, 1, ("reason",), "leak", "operator")
    erasure.erase(path, TENANT, 1, ("description",), "leak", "operator")
    assert not any(b"hunter2" in content for content in contents(path).values())
    assert [f for f in doctor.examine(path) if f.level == "fail"] == []
    again = opened(path)
    row = again.log.get(ISSUES, TENANT, "acme/app#1")
    assert row is not None
    assert (row.title, row.description, row.state) == ("plain", None, "queued")
    await again.log.close()


async def test_a_body_that_was_changed_without_saying_so_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "d"
    await filled(path, 3)
    connection = sqlite3.connect(path / DATABASE)
    connection.execute("UPDATE events SET body = ? WHERE position = 2", (b"{}",))
    connection.commit()
    connection.close()
    with pytest.raises(LogCorrupt) as caught:
        opened(path)
    assert caught.value.sequence == 2


async def test_idempotency_keys_past_their_day_leave_the_database(tmp_path: Path) -> None:
    clock = ManualClock()
    log = open_sqlite(tmp_path / "d", clock=clock, ids=SeededIds(1)).log
    await log.commit(unit(fact("ISSUE_APPROVED", 1), idempotency=Idempotency("old", b"one")))
    clock.advance(24 * 3600 + 1)
    await log.commit(unit(fact("ISSUE_APPROVED", 2), idempotency=Idempotency("new", b"two")))
    keeper = log._writer._keeper
    assert isinstance(keeper, SqliteKeeper)
    keeper.checkpoint(log._engine)
    with log.snapshot() as snapshot:
        assert snapshot.outcome("old") is None
        assert snapshot.outcome("new") is not None
    await log.close()


def test_a_changed_table_or_row_makes_the_read_models_anew_without_a_new_version() -> None:
    class Row(rows.Row, frozen=True, kw_only=True):
        name: str

    class Longer(Row, frozen=True, kw_only=True):
        more: int = 0

    def mark(row: type[Row], *columns: tuple[str, Literal["TEXT"]]) -> str:
        return folds_mark([Table("things", row, columns, lambda r: ())])

    name: tuple[str, Literal["TEXT"]] = ("name", "TEXT")
    assert mark(Row, name) == mark(Row, name)
    assert len({mark(Row), mark(Row, name), mark(Longer), mark(Longer, name)}) == 4


@pytest.mark.parametrize("at_most", [0.02, 30.0])
async def test_a_list_gives_way_to_commits_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_most: float
) -> None:
    """Who claims or reports is served first, and one who writes for ever holds up nobody."""
    monkeypatch.setattr(SqliteReader, "gives_way", at_most)
    log = opened(tmp_path / "data").log
    write, on_the_disk = SqliteBackend.write, threading.Event()

    def slow(backend: SqliteBackend, staged: Staged) -> None:
        assert on_the_disk.wait(20)
        write(backend, staged)

    monkeypatch.setattr(SqliteBackend, "write", slow)
    committed = asyncio.ensure_future(log.commit(unit(fact("ISSUE_APPROVED", 1))))
    await asyncio.sleep(0)
    listed = asyncio.ensure_future(log.read(lambda snapshot: snapshot.as_of(TENANT)))
    try:
        await asyncio.wait((listed,), timeout=10 if at_most < 1 else 0.2)
        assert listed.done() == (at_most < 1)
    finally:
        on_the_disk.set()
    await committed
    assert await listed == (0 if at_most < 1 else 1)
    await log.close()
