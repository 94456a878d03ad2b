"""Any order of commits, claims, heartbeats, expiries, crashes and clock jumps leaves a log that holds its promises.

The machine plays against both stores and keeps a small model of its own: which leases live, which fences were given (I4, I5, I7–I10, I13).
"""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rig.clock import ManualClock
from rig.errors import RigError, StaleLease, VersionConflict
from rig.ids import SeededIds
from rig.model.call import Call
from rig.model.decide import issue as issues
from rig.model.decide.base import Context, TimerChange
from rig.model.decide.held import lease_payload
from rig.model.rows import LeaseRow
from rig.model.states import TERMINAL
from rig.model.tables import ISSUES, LEASES, QUEUE, Query
from rig.store.chain import Walker
from rig.store.doctor import examine
from rig.store.log import Log
from rig.store.memory import open_memory
from rig.store.opening import open_sqlite
from rig.store.units import Claim, Committed, Idempotency, Outcome, Timer
from rig.store.verify import DATABASE, HEAD
from tests.contracts.store import TENANT, fact, unit

NUMBERS = st.integers(1, 6)
LEASE_SECONDS = 60
CALL = Call(TENANT, "test", (), "test", "request")


class Machine(RuleBasedStateMachine):
    """Rules are what clients and time may do; invariants are looked at after each."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = ManualClock()
        self.made = 0
        self.stored = 0
        """Events that were acknowledged."""
        self.given: dict[str, list[int]] = {}
        """Fences by issue, in the order in which they were given."""
        self.leases: dict[str, tuple[str, int]] = {}
        """Every lease that was ever handed out: (issue, fence)."""
        self.answers: dict[str, bytes] = {}
        self.store: Log = self.run(self.open())

    def run(self, job: Any) -> Any:
        return self.runner.run(job)

    async def open(self) -> Log:
        raise NotImplementedError

    def teardown(self) -> None:
        self.run(self.store.close())
        self.runner.close()

    def name(self, prefix: str) -> str:
        self.made += 1
        return f"{prefix}-{self.made}"

    def acknowledged(self, committed: Committed) -> None:
        assert [e.sequence for e in committed.events] == list(range(self.stored + 1, self.stored + 1 + len(committed.events)))
        self.stored += len(committed.events)

    # What clients do

    @initialize()
    def begin(self) -> None:
        self.acknowledged(self.run(self.store.commit(unit(*(fact("ISSUE_APPROVED", n) for n in range(1, 4))))))

    @rule(
        number=NUMBERS,
        kind=st.sampled_from(
            [
                "ISSUE_APPROVED",
                "WORK_STARTED",
                "ISSUE_UNASSIGNED",
                "ISSUE_DONE",
                "REVIEW_PASSED",
                "AGENT_STUCK",
                "ISSUE_CANCELLED",
            ]
        ),
    )
    def post(self, number: int, kind: str) -> None:
        self.acknowledged(self.run(self.store.commit(unit(fact(kind, number, agentId="poster")))))

    @rule(numbers=st.lists(NUMBERS, min_size=2, max_size=5), behind=st.integers(1, 3))
    def post_on_a_wrong_version(self, numbers: list[int], behind: int) -> None:
        """I7"""
        with self.store.snapshot() as snapshot:
            version = snapshot.stream_version(TENANT, f"acme/app#{numbers[0]}")
        many = unit(*(fact("HUMAN_GATE_REMINDER", n) for n in numbers), expect={f"acme/app#{numbers[0]}": version + behind})
        try:
            self.run(self.store.commit(many))
        except VersionConflict:
            return
        raise AssertionError("a wrong version was accepted")

    @rule(number=NUMBERS, key=st.sampled_from(["k1", "k2", "k3"]))
    def post_with_a_key(self, number: int, key: str) -> None:
        """I3"""
        keyed = unit(
            fact("HUMAN_GATE_REMINDER", 1),
            idempotency=Idempotency(key, b"same"),
            outcome=lambda c: Outcome(200, f"{number}|{c.events[0].sequence}".encode()),
        )
        committed = self.run(self.store.commit(keyed))
        assert committed.replayed == (key in self.answers)
        if not committed.replayed:
            self.acknowledged(committed)
        assert committed.outcome.body == self.answers.setdefault(key, committed.outcome.body)

    @rule(claimers=st.integers(1, 4))
    def claim(self, claimers: int) -> None:
        """I8"""
        with self.store.snapshot() as snapshot:
            newest = snapshot.log(self.stored - 1, 1)[0].at
            now = max(self.clock.now(), newest)  # the log's time never goes back, whatever the clock does
            query = Query(QUEUE, TENANT, (("ready", "=", 1), ("not_before", "<=", now)), ("rank", "queued_sequence"))
            waiting = [key for key, _ in snapshot.page(query)]

        async def all_at_once() -> Any:
            return await asyncio.gather(
                *(
                    self.store.claim(Claim(TENANT, f"a{i}", lease, f"ir-{self.made:08x}", LEASE_SECONDS, outcome=None))
                    for i, lease in enumerate([self.name("lease") for _ in range(claimers)])
                )
            )

        handed = []
        for committed in self.run(all_at_once()):
            if committed is None:
                continue
            self.acknowledged(committed)
            (lease,) = [row for (table, _), row in committed.rows.items() if table == "leases" and row.state == "live"]
            handed.append(lease.issue)
            self.given.setdefault(lease.issue, []).append(lease.fence)
            self.leases[lease.id] = (lease.issue, lease.fence)
        assert handed == waiting[: len(handed)]
        assert len(handed) == min(claimers, len(waiting))

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def heartbeat(self, data: st.DataObject) -> None:
        lease, row = self.some(data)
        due = self.clock.now() + LEASE_SECONDS * 1_000_000
        timer = Timer(f"lease:{lease}", due, lease_payload(row.issue, row.fence))
        self.proven(row, unit(timers=(timer,), fences=((lease, row.fence),)))

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), kind=st.sampled_from(["WORK_STARTED", "TOKEN", "ISSUE_DONE"]))
    def work(self, data: st.DataObject, kind: str) -> None:
        """I9"""
        lease, row = self.some(data)
        number = int(row.issue.partition("#")[2])
        event = fact("WORK_STARTED" if kind == "TOKEN" else kind, number, agentId=row.agent)
        self.proven(row, unit(event, fences=((lease, row.fence),)))

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), kind=st.sampled_from(["complete", "fail", "release"]))
    def command(self, data: st.DataObject, kind: str) -> None:
        """I9, I13: what an actor would decide and commit."""
        lease, row = self.some(data)
        named: dict[str, Any] = {"agent": row.agent, "lease": lease, "fence": row.fence}
        commands: dict[str, issues.Command] = {
            "complete": issues.Complete(**named, state="done"),
            "fail": issues.Fail(**named, reason="x", retry_at=self.clock.now() + 5_000_000),
            "release": issues.Release(reason="x", lease=lease, fence=row.fence),
        }
        self.decide(row.issue, commands[kind])

    @rule(number=NUMBERS)
    def force_done(self, number: int) -> None:
        self.decide(f"acme/app#{number}", issues.ForceDone(reason="because"))

    # What time does

    @rule(seconds=st.sampled_from([1, 30, 61, -7200, 10 * 24 * 3600]))
    def clock_jumps(self, seconds: int) -> None:
        """I10: it may move leases' ends nearer, and never the order of the log."""
        if seconds > 24 * 3600:
            self.answers.clear()  # keys are remembered for a day
        self.clock.advance(seconds)

    @rule()
    def leases_expire(self) -> None:
        with self.store.snapshot() as snapshot:
            due = snapshot.timers(self.clock.now(), 100)
        for _, timer in due:
            if timer.key.startswith("lease:"):
                row = self.store.get(LEASES, TENANT, timer.key.removeprefix("lease:"))
                assert row is not None
                self.decide(
                    row.issue,
                    issues.Expire(lease=row.id, fence=row.fence, timer=TimerChange(timer.key, timer.due, timer.payload)),
                )

    # Parts

    def some(self, data: st.DataObject) -> tuple[str, LeaseRow]:
        lease = data.draw(st.sampled_from(sorted(self.leases)))
        row = self.store.get(LEASES, TENANT, lease)
        assert row is not None
        assert (row.issue, row.fence) == self.leases[lease]
        return lease, row

    def proven(self, lease: LeaseRow, work: Any) -> None:
        """Commit what a fence proves: done when the lease lives, refused whole when it does not."""
        before = self.stored
        try:
            self.acknowledged(self.run(self.store.commit(work)))
        except StaleLease:
            assert lease.state != "live"
            assert self.stored == before
        else:
            assert lease.state == "live"

    def decide(self, stream: str, command: issues.Command) -> None:
        row = self.store.get(ISSUES, TENANT, stream)
        with self.store.snapshot() as snapshot:
            version = snapshot.stream_version(TENANT, stream)
        try:
            decision = issues.decide(row, command, Context(stream, self.clock.now(), SeededIds(3), CALL))
        except RigError:
            return
        self.acknowledged(
            self.run(
                self.store.commit(
                    unit(
                        *decision.events,
                        expect={stream: version},
                        timers=tuple(Timer(t.key, t.due, t.payload) for t in decision.timers),
                        timers_fired=tuple(Timer(t.key, t.due, t.payload) for t in decision.timers_fired),
                    )
                )
            )
        )

    # What must hold

    @invariant()
    def the_log_is_gapless_and_its_chain_holds(self) -> None:
        """I4"""
        with self.store.snapshot() as snapshot:
            events = snapshot.log(0, 100_000)
            assert snapshot.as_of(TENANT) == self.stored
        assert [e.position for e in events] == list(range(1, self.stored + 1))
        assert [e.at for e in events] == sorted(e.at for e in events)
        assert Walker().walk(events) is None

    @invariant()
    def fences_grow_and_an_issue_has_one_live_lease_at_most(self) -> None:
        """I8, I9"""
        for issue, fences in self.given.items():
            assert fences == sorted(set(fences))
            live = [
                row
                for lease, (of, _) in self.leases.items()
                if of == issue and (row := self.store.get(LEASES, TENANT, lease)) is not None and row.state == "live"
            ]
            assert len(live) <= 1
            if live:
                assert live[0].fence == fences[-1]
                found = self.store.get(ISSUES, TENANT, issue)
                assert found is not None
                assert (found.lease, found.state in TERMINAL) == (live[0].id, False)


class MemoryMachine(Machine):
    async def open(self) -> Log:
        return open_memory(clock=self.clock, ids=SeededIds(7))


class SqliteMachine(Machine):
    """The same with a disk: it may crash between any two steps, and its read models can be folded again."""

    def __init__(self) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="rig-stateful-"))
        self.turn = 0
        super().__init__()

    @property
    def directory(self) -> Path:
        return self.place / str(self.turn)

    async def open(self) -> Log:
        return open_sqlite(self.directory, clock=self.clock, ids=SeededIds(7 + self.turn)).log

    @rule()
    def crash(self) -> None:
        """I1: the files as a killed process leaves them, opened again."""
        old, self.turn = self.directory, self.turn + 1
        self.directory.mkdir()
        for name in (DATABASE, f"{DATABASE}-wal", HEAD):
            shutil.copy2(old / name, self.directory / name)
        self.run(self.store.close())
        shutil.rmtree(old)
        self.store = self.run(self.open())

    @rule()
    def restart(self) -> None:
        self.run(self.store.close())
        self.store = self.run(self.open())

    def teardown(self) -> None:
        """I5, I6"""
        super().teardown()
        try:
            assert [f for f in examine(self.directory) if f.level == "fail"] == []
        finally:
            shutil.rmtree(self.place)


CASES = settings(
    max_examples=int(os.environ.get("RIG_TEST_EXAMPLES", "25")),
    stateful_step_count=30,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
TestMemoryMachine = MemoryMachine.TestCase
TestMemoryMachine.settings = CASES
TestSqliteMachine = SqliteMachine.TestCase
TestSqliteMachine.settings = CASES
