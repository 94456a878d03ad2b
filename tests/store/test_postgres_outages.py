"""A store on PostgreSQL whose server or connection goes away: what was stored is said, and nothing is stored twice."""

import asyncio
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from rig.errors import OutcomeUnknown, StorageUnavailable
from rig.model.tables import ISSUES
from rig.store.postgres import backend as backend_module
from rig.store.postgres.backend import PostgresBackend
from rig.store.postgres.connection import Session
from rig.store.postgres.doctor import examine
from rig.store.units import Idempotency
from tests.contracts.store import TENANT, fact, unit
from tests.servers.postgres import PostgresServer
from tests.store.test_postgres import opened


class LostCommit:
    """Loses the connection at one COMMIT: before it reached the server, or after the server did it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, done: bool, then: Any = None) -> None:
        self._run, self._done, self._then = Session.run, done, then
        self.armed = False
        monkeypatch.setattr(Session, "run", lambda session, sql, *a: self(session, sql, *a))

    def __call__(self, session: Session, sql: str, *arguments: Any) -> str:
        if sql != "COMMIT" or not self.armed:
            return self._run(session, sql, *arguments)
        self.armed = False
        if self._done:
            self._run(session, sql)
        session.close()
        if self._then:
            self._then()
        raise psycopg.OperationalError("server closed the connection unexpectedly")


@pytest.mark.parametrize("done", [True, False])
async def test_a_commit_whose_answer_is_lost_is_looked_up(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    """I2: stored means acknowledged, not stored means 503, whatever became of the connection."""
    lost = LostCommit(monkeypatch, done=done)
    log = opened(postgres_url).log
    await log.commit(unit(fact("ISSUE_APPROVED", 1)))
    seen: list[int] = []
    log.listen(lambda batch: seen.extend(e.position for e in batch.events))
    lost.armed = True
    if done:
        assert (await log.commit(unit(fact("ISSUE_APPROVED", 2)))).events[0].position == 2
    else:
        with pytest.raises(StorageUnavailable):
            await log.commit(unit(fact("ISSUE_APPROVED", 2)))
    after = await log.commit(unit(fact("ISSUE_APPROVED", 3)))
    assert after.events[0].position == 2 + done
    assert seen == list(range(2, 3 + done))
    await log.close()
    assert [f for f in examine(postgres_url) if f.level == "fail"] == []


@pytest.mark.parametrize("done", [True, False])
async def test_an_unknown_outcome_is_said_and_settled_when_the_server_is_back(
    postgres_server: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    """I2, I4: listeners hear of a batch that was stored after all before anything that comes after it."""
    monkeypatch.setattr(backend_module, "SETTLE_SECONDS", 0.2)
    lost = LostCommit(monkeypatch, done=done, then=lambda: postgres_server.stop("immediate"))
    log = opened(postgres_url).log
    await log.commit(unit(fact("ISSUE_APPROVED", 1)))
    seen: list[int] = []
    log.listen(lambda batch: seen.extend(e.position for e in batch.events))
    lost.armed = True
    try:
        with pytest.raises(OutcomeUnknown):
            await log.commit(unit(fact("ISSUE_APPROVED", 2)))
        with pytest.raises(StorageUnavailable):
            await log.commit(unit(fact("ISSUE_APPROVED", 3)))
        with pytest.raises(StorageUnavailable):
            log.get(ISSUES, TENANT, "acme/app#1")
    finally:
        await asyncio.to_thread(postgres_server.start)
    deadline = asyncio.get_running_loop().time() + 10
    while done and not seen:  # without another write
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)
    after = None
    while after is None:  # what tried to connect while the server was starting is told that it can't be reached
        assert asyncio.get_running_loop().time() < deadline
        with suppress(StorageUnavailable):
            after = await log.commit(unit(fact("ISSUE_APPROVED", 4)))
    assert after.events[0].position == 2 + done
    assert seen == list(range(2, 3 + done))
    await log.close()


async def test_a_daemon_whose_log_was_written_by_another_stops(postgres_url: str) -> None:
    """What it remembers is worth nothing then; it must not write on top."""
    fatal: list[BaseException] = []
    store = opened(postgres_url, on_fatal=fatal.append)
    await store.log.commit(unit(fact("ISSUE_APPROVED", 1)))
    backend = store.log._engine.backend
    assert isinstance(backend, PostgresBackend)
    backend._session.close()
    other = opened(postgres_url)
    await other.log.commit(unit(fact("ISSUE_APPROVED", 2)))
    await other.log.close()
    with pytest.raises(OutcomeUnknown):
        await store.log.commit(unit(fact("ISSUE_APPROVED", 3)))
    await asyncio.sleep(0)
    assert fatal
    await store.log.close()
    again = opened(postgres_url)
    with again.log.snapshot() as snapshot:
        assert snapshot.position == 2
    await again.log.close()


async def test_a_restart_of_the_server_in_mid_run_loses_and_repeats_nothing(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    """I26"""
    log = opened(postgres_url).log
    refused: list[Exception] = []
    acked: dict[int, int] = {}
    loop = asyncio.get_running_loop()
    restarted: list[float] = []
    first: list[float] = []

    async def write(numbers: range) -> None:
        for number in numbers:
            repeat = unit(fact("ISSUE_APPROVED", number), idempotency=Idempotency(f"k{number}", b"d"))
            while number not in acked:
                try:
                    await log.commit(repeat)
                    acked[number] = number
                    if restarted and not first:
                        first.append(loop.time())
                except (StorageUnavailable, OutcomeUnknown) as error:
                    refused.append(error)
                    await asyncio.sleep(0.02)

    async def restart() -> None:
        while len(acked) < 200:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(postgres_server.restart, "immediate")
        restarted.append(loop.time())

    await asyncio.gather(*(write(range(w * 500 + 1, w * 500 + 501)) for w in range(8)), restart())
    assert len(acked) == 4000
    assert restarted, "the restart came after all was written"
    assert first[0] - restarted[0] < 5
    with log.snapshot() as snapshot:
        events = snapshot.log(0, 5000)
    assert sorted(e.stream for e in events) == sorted(f"acme/app#{n}" for n in range(1, 4001))
    await log.close()
    assert [f for f in examine(postgres_url) if f.level == "fail"] == []
