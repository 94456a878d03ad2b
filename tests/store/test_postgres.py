"""The shared store on PostgreSQL: the contract, and what only a store on a server must do."""

import asyncio
import os
from typing import Any

import psycopg
import pytest

from rig.clock import ManualClock
from rig.errors import ConfigError, DataDirInUse, LogCorrupt, SchemaTooNew, StorageUnavailable
from rig.ids import SeededIds
from rig.model.tables import ISSUES
from rig.store.log import Log
from rig.store.postgres.doctor import examine
from rig.store.postgres.opening import SharedStore, alone, open_postgres, reading
from rig.store.postgres.rebuild import digests, refold
from rig.store.units import Idempotency
from tests.contracts.store import TENANT, StoreContract, claim, fact, unit
from tests.servers.postgres import PostgresServer


class TestPostgresStore(StoreContract):
    @pytest.fixture(autouse=True)
    def database(self, postgres_url: str) -> None:
        self.url = postgres_url

    async def open_store(self, clock: ManualClock, path: Any) -> Log:
        return open_postgres(self.url, clock=clock, ids=self.ids()).log


def opened(url: str, **more: Any) -> SharedStore:
    return open_postgres(url, clock=ManualClock(), ids=SeededIds(1), **more)


async def filled(url: str, issues: int = 40) -> None:
    """A store with some history."""
    store = opened(url)
    for number in range(1, issues + 1):
        await store.log.commit(unit(fact("ISSUE_APPROVED", number, title=f"issue {number}")))
    await store.log.claim(claim())
    await store.log.commit(unit(fact("WORK_STARTED", 1, agentId="a-1"), fact("ISSUE_DONE", 2)))
    await store.log.close()


def run(url: str, *statements: str) -> None:
    """Change the database behind the store's back."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


async def test_a_store_opens_again_with_all_it_had(postgres_url: str) -> None:
    await filled(postgres_url)
    store = opened(postgres_url)
    with store.log.snapshot() as snapshot:
        assert snapshot.position == 44
        assert snapshot.get(ISSUES, TENANT, "acme/app#1").state == "in_progress"  # type: ignore[union-attr]
    await store.log.close()


async def test_a_second_daemon_is_refused_and_told_who_serves(postgres_url: str) -> None:
    """I28"""
    store = opened(postgres_url)
    began = asyncio.get_running_loop().time()
    with pytest.raises(DataDirInUse, match=f"process {os.getpid()}"):
        await asyncio.to_thread(lambda: alone(postgres_url).__enter__())
    assert asyncio.get_running_loop().time() - began < 2
    await store.log.close()
    with alone(postgres_url):
        pass


SWAPPED = (
    "UPDATE rig.events SET position = position - 11 WHERE position IN (5, 6); "
    "UPDATE rig.events SET position = CASE position WHEN -6 THEN 6 ELSE 5 END WHERE position < 0"
)


@pytest.mark.parametrize(
    ("damage", "sequence"),
    [
        ("UPDATE rig.events SET body = '{}' WHERE position = 17", 17),
        ("DELETE FROM rig.events WHERE position = 9", 10),
        ("DELETE FROM rig.events WHERE position > 30", 31),
        ("UPDATE rig.events SET principal = 'someone' WHERE position = 3", 3),
        ("UPDATE rig.head SET position = 20", 21),
        ("UPDATE rig.head SET hash = sha256('')", 44),
        (SWAPPED, 6),
    ],
)
async def test_damage_is_reported_with_the_first_bad_sequence_and_nothing_is_changed(
    postgres_url: str, damage: str, sequence: int
) -> None:
    """I6"""
    await filled(postgres_url)
    run(postgres_url, *damage.split("; "))
    with pytest.raises(LogCorrupt) as caught:
        opened(postgres_url)
    assert caught.value.sequence == sequence
    assert [f.sequence for f in examine(postgres_url) if f.level == "fail"] == [sequence]


async def test_the_doctor_is_content_with_a_healthy_store_also_beside_a_daemon(postgres_url: str) -> None:
    assert [f.level for f in examine(postgres_url)].count("fail") == 0
    await filled(postgres_url)
    assert [f for f in examine(postgres_url) if f.level == "fail"] == []
    store = opened(postgres_url)
    findings = list(examine(postgres_url))
    assert [f for f in findings if f.level == "fail"] == []
    assert [f for f in findings if f.check == "owner" and str(os.getpid()) in f.text] != []
    await store.log.close()


async def test_a_changed_read_model_is_found_and_rebuilt(postgres_url: str) -> None:
    """I5"""
    await filled(postgres_url)
    with reading(postgres_url) as session:
        good = digests(session)
    run(postgres_url, "UPDATE rig.model_issues SET doc = '{}' WHERE key = 'acme/app#3'")
    assert [f.check for f in examine(postgres_url) if f.level == "fail"] == ["read models"]
    with alone(postgres_url) as session:
        refold(session)
        assert digests(session) == good
    assert [f for f in examine(postgres_url) if f.level == "fail"] == []


async def test_read_models_made_by_other_folds_are_folded_again_at_start(postgres_url: str) -> None:
    await filled(postgres_url)
    with reading(postgres_url) as session:
        good = digests(session)
    run(postgres_url, "DROP TABLE rig.model_issues", "UPDATE rig.meta SET value = '0' WHERE key = 'folds'")
    await opened(postgres_url).log.close()
    with reading(postgres_url) as session:
        assert digests(session) == good


async def test_a_store_of_a_newer_rig_is_refused_untouched(postgres_url: str) -> None:
    """F30"""
    await filled(postgres_url, 2)
    run(postgres_url, "INSERT INTO rig.migrations VALUES ('m999_future')")
    with pytest.raises(SchemaTooNew):
        opened(postgres_url)


def test_a_database_in_another_encoding_is_refused(postgres_server: PostgresServer) -> None:
    with pytest.raises(ConfigError, match="LATIN1"):
        opened(postgres_server.create_database(encoding="LATIN1"))


@pytest.mark.parametrize("url", ["postgresql://rig:hunter2@[/x", "postgresql://rig:hunter2@127.0.0.1:1/rig"])
def test_a_url_that_leads_nowhere_is_told_without_its_password(url: str) -> None:
    with pytest.raises((ConfigError, StorageUnavailable)) as caught:
        opened(url)
    assert "hunter2" not in str(caught.value)
    assert not any("hunter2" in finding.text for finding in examine(url))


async def test_idempotency_keys_past_their_day_leave_the_database(postgres_url: str) -> None:
    clock = ManualClock()
    log = open_postgres(postgres_url, clock=clock, ids=SeededIds(1)).log
    await log.commit(unit(fact("ISSUE_APPROVED", 1), idempotency=Idempotency("old", b"one")))
    clock.advance(24 * 3600 + 1)
    await log.commit(unit(fact("ISSUE_APPROVED", 2), idempotency=Idempotency("new", b"two")))
    deadline = asyncio.get_running_loop().time() + 10
    while (await log.read(lambda s: s.outcome("old"))) is not None:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)
    assert await log.read(lambda s: s.outcome("new")) is not None
    await log.close()
