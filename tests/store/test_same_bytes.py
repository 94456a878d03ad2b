"""One history, three stores: the same events, and read models with the same bytes (I5)."""

import asyncio
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rig.clock import ManualClock
from rig.errors import RigError
from rig.ids import SeededIds
from rig.model.events import Event, NewEvent, encode
from rig.model.tables import ALL
from rig.store import rebuild
from rig.store.backend import Staged
from rig.store.doctor import reading as reading_sqlite
from rig.store.log import Log
from rig.store.memory import MemoryBackend, open_memory
from rig.store.opening import open_sqlite
from rig.store.postgres import rebuild as on_postgres
from rig.store.postgres.opening import open_postgres
from rig.store.postgres.opening import reading as reading_postgres
from rig.store.rebuild import Digest, digest, fold_chunks
from rig.store.sql import encode_row
from rig.store.units import Claim, Idempotency, Outcome, Timer, Unit
from tests.contracts.store import fact
from tests.servers.postgres import PostgresServer
from tests.store.test_recorded_logs import LOGS, chunks, recorded

Step = Unit | Claim


def of_memory(backend: MemoryBackend) -> list[Digest]:
    """The hashes of the read models in memory."""
    found = []
    for table in ALL:
        rows = {
            (tenant, key): row
            for (tenant, name), kept in backend.rows.items()
            if name == table.name
            for key, row in kept.items()
        }
        found.append(digest(table.name, ((*place, encode_row(rows[place])) for place in sorted(rows))))
    return found


def of_sqlite(directory: Path) -> list[Digest]:
    with reading_sqlite(directory) as connection:
        return rebuild.digests(connection)


def of_postgres(url: str) -> list[Digest]:
    with reading_postgres(url) as session:
        return on_postgres.digests(session)


def lines(found: Iterable[Digest]) -> str:
    return "".join(f"{d.table} {d.rows} {d.sha256}\n" for d in found)


async def test_the_recorded_log_folds_to_the_recorded_bytes_on_every_backend(postgres_url: str) -> None:
    events = recorded("0.1.0")
    wanted = (LOGS / "0.1.0.sha256").read_text()
    memory = MemoryBackend()
    fold_chunks(memory, chunks(events, 97), lambda rows: memory.write(Staged(rows=rows)))
    assert lines(of_memory(memory)) == wanted
    await open_postgres(postgres_url).log.close()
    with reading_postgres(postgres_url) as session:
        session.run("BEGIN")
        on_postgres.fold_into(session, chunks(events, 97))
        session.run("COMMIT")
        assert lines(on_postgres.digests(session)) == wanted


NAMES = st.sampled_from(["a", "B", "ä", "Z", "_", "\uffff", "\U0001f600", "a b", "agent-7"])
TYPES = st.sampled_from(
    ["ISSUE_APPROVED", "WORK_STARTED", "ISSUE_DONE", "ESCALATED", "ISSUE_UNASSIGNED", "HUMAN_GATE_REMINDER", "PR_CREATED"]
)


@st.composite
def facts_posted(draw: st.DrawFn) -> NewEvent:
    """A posted event, legal or not."""
    number = draw(st.integers(1, 4))
    fields: dict[str, Any] = {
        "agentId": draw(NAMES),
        "title": draw(st.text(st.characters(exclude_characters="\0"), max_size=8).filter(_encodable)),
    }
    if draw(st.booleans()):
        fields |= {"priority": draw(st.sampled_from(["low", "critical"])), "dependsOn": [draw(st.integers(1, 4))]}
    if draw(st.integers(0, 3)) == 0:
        body = {
            "agentId": fields["agentId"],
            "model": "m",
            "repo": "acme/app",
            "issueNumber": number,
            "inputTokens": draw(st.integers(0, 10**12)),
        }
        meta = {"cost": {"counted": draw(st.integers(0, 10**18)), "rule": "unpriced"}}
        return NewEvent(f"acme/app#{number}", "token_usage", encode(body), encode(meta))
    try:
        return fact(draw(TYPES), number, **fields)
    except RigError:
        return fact("ISSUE_APPROVED", number)


def _encodable(text: str) -> bool:
    return not any(0xD800 <= ord(c) < 0xE000 for c in text)


UNITS = st.builds(
    lambda tenant, events, due, key: Unit(
        tenant=tenant,
        events=tuple(events),
        principal="test",
        operation="test",
        timers=(Timer(f"retry:{due}", due * 1_000_000 if due else None),),
        idempotency=Idempotency(key, b"d") if key else None,
        outcome=lambda done: Outcome(200, str(len(done.events)).encode()),
    ),
    st.sampled_from(["default", "other"]),
    st.lists(facts_posted(), min_size=1, max_size=4),
    st.integers(0, 3),
    st.sampled_from(["", "", "k1", "k2"]),
)
CLAIMS = st.builds(
    lambda agent, lease: Claim(
        tenant="default", agent=agent, lease_id=f"l-{lease}", job_id=f"ir-{lease:08x}", lease_seconds=60
    ),
    NAMES,
    st.integers(0, 10_000),
)


async def live(log: Log, clock: ManualClock, steps: Sequence[Step]) -> tuple[list[str], list[Event], Any]:
    """Run a history; what each step gave, the log, and what else there is to read."""
    said = []
    for step in steps:
        clock.advance(1)
        try:
            done = await (log.claim(step) if isinstance(step, Claim) else log.commit(step))
            said.append("nothing" if done is None else f"{len(done.events)} {done.outcome} {done.replayed}")
        except RigError as error:
            said.append(error.code)
    with log.snapshot() as snapshot:
        rest = (snapshot.timers(10**18, 50), snapshot.tenants(), snapshot.outcome("k1"), snapshot.next_due())
        return said, snapshot.log(0, 10_000), rest


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(st.one_of(UNITS, UNITS, CLAIMS), min_size=1, max_size=25))
def test_the_same_commands_give_the_same_log_and_the_same_bytes(postgres_server: PostgresServer, steps: list[Step]) -> None:
    url = postgres_server.create_database()

    async def everywhere(directory: Path) -> None:
        memory = MemoryBackend()
        found = []
        for kind in ("memory", "sqlite", "postgres"):
            clock, ids = ManualClock(), SeededIds(3)
            if kind == "memory":
                log = open_memory(clock=clock, ids=ids, backend=memory)
            elif kind == "sqlite":
                log = open_sqlite(directory, clock=clock, ids=ids).log
            else:
                log = open_postgres(url, clock=clock, ids=ids).log
            try:
                found.append(await live(log, clock, steps))
            finally:
                await log.close()
        assert found[0] == found[1] == found[2]
        wanted = of_memory(memory)
        assert lines(of_sqlite(directory)) == lines(wanted)
        assert lines(of_postgres(url)) == lines(wanted)
        with reading_postgres(url) as session:  # and folded again, elsewhere
            assert rebuild.folded(on_postgres.read_log(session), directory / "again.db") == wanted

    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(everywhere(Path(scratch)))
