"""Any order of claims, heartbeats, ends, deaths, starts and waits gives what a model of leases foretells (I8, I9, I10, I13).

The real store, actors and timers play by a clock that moves only when told; the model reads the log and nothing else.
"""

import asyncio
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rig.actors.system import Fault, System
from rig.actors.timers import Timers
from rig.clock import ManualClock
from rig.errors import RigError, StaleLease
from rig.ids import SeededIds
from rig.model.call import Call
from rig.model.decide import issue as issues
from rig.model.decide.held import lease_payload
from rig.model.tables import LEASES, QUEUE, Query
from rig.reactors import leases
from rig.store.log import Log
from rig.store.memory import open_memory
from rig.store.opening import open_sqlite
from rig.store.units import Claim, Timer
from tests.checkers.history import GRANTS
from tests.checkers.leases import Book, Entry, Lease
from tests.contracts.store import TENANT, fact, unit

NUMBERS = st.integers(1, 6)
GRACE = 20
CALL = Call(TENANT, "test", (), "test", "request")


class LeaseMachine(RuleBasedStateMachine):
    """Agents are generations of ``a1`` … ``a4``: one that dies says nothing any more, and another takes its name's place."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = ManualClock()
        self.book = Book()
        self.due: dict[str, int] = {}
        """When each lease ends unless a heartbeat comes."""
        self.seconds: dict[str, int] = {}
        self.generation = dict.fromkeys(range(1, 5), 1)
        self.made = 0
        self.starts = 0
        self.faults: list[Fault] = []
        self.store: Log
        self.run(self.start())

    def run(self, job: Any) -> Any:
        return self.runner.run(job)

    async def open(self) -> Log:
        raise NotImplementedError

    async def start(self) -> None:
        self.starts += 1
        self.store = await self.open()
        self.ids = SeededIds(self.starts)
        self.system = System(self.store, self.clock, self.ids, leases.KINDS, on_fault=self.faults.append)
        self.timers = Timers(self.store, self.clock, leases.handlers(self.system), grace=GRACE)
        self.grace_ends = self.clock.monotonic() + GRACE

    async def stop(self) -> None:
        await self.system.stop()

    def agent(self, name: int) -> str:
        return f"a{name}.{self.generation[name]}"

    def read_on(self) -> list[Entry]:
        """Have the model read what the log has that is new to it."""
        with self.store.snapshot() as snapshot:
            events = snapshot.log(self.book.sequence, 100_000)
        new = [Entry(e.position, e.stream, e.type, e.at, json.loads(e.body)) for e in events]
        for entry in new:
            self.book.apply(entry)
            if entry.type in GRANTS and "leaseId" in entry.data:
                self.due[entry.data["leaseId"]] = entry.at + entry.data["leaseSeconds"] * 1_000_000
                self.seconds[entry.data["leaseId"]] = entry.data["leaseSeconds"]
        return new

    # What people and agents do

    @initialize()
    def begin(self) -> None:
        self.approve(1, "normal", set())
        self.approve(2, "normal", set())

    @rule(
        number=NUMBERS, priority=st.sampled_from(["critical", "high", "normal", "low"]), blockers=st.sets(NUMBERS, max_size=2)
    )
    def approve(self, number: int, priority: str, blockers: set[int]) -> None:
        """Blockers have lower numbers: nothing waits for itself."""
        on = [f"acme/app#{n}" for n in sorted(blockers) if n < number and f"acme/app#{n}" in self.book.issues]
        self.run(self.store.commit(unit(fact("ISSUE_APPROVED", number, priority=priority, dependsOn=on))))
        self.read_on()

    @rule(names=st.lists(st.integers(1, 4), min_size=1, max_size=4), seconds=st.sampled_from([1, 30, 60]))
    def claim(self, names: list[int], seconds: int) -> None:
        """I8: in the order of the queue (the model knows no other), and nothing only when there is nothing."""
        asked = []
        for name in names:
            self.made += 1
            asked.append(Claim(TENANT, self.agent(name), f"lease-{self.made}", self.ids.job(), seconds))

        async def all_at_once() -> Any:
            return await asyncio.gather(*(self.store.claim(claim) for claim in asked))

        got = self.run(all_at_once())
        assert len([e for e in self.read_on() if e.type in GRANTS]) == sum(c is not None for c in got)
        assert [self.book.leases[a.lease_id].agent for a, c in zip(asked, got, strict=True) if c] == [
            a.agent for a, c in zip(asked, got, strict=True) if c
        ]
        if None in got:
            assert self.book.head(self.clock.now()) is None
        assert not any(self.book.pushed(a.agent) for a, c in zip(asked, got, strict=True) if c is None)

    @precondition(lambda self: self.book.leases)
    @rule(data=st.data(), forged=st.sampled_from([0, 0, -1, 1]))
    def heartbeat(self, data: st.DataObject, forged: int) -> None:
        """I9"""
        lease = self.some(data)
        due = self.clock.now() + self.seconds[lease.id] * 1_000_000
        timer = Timer(f"lease:{lease.id}", due, lease_payload(lease.issue, lease.fence))
        work = unit(timers=(timer,), fences=((lease.id, lease.fence + forged),))
        if self.foretold(lease, forged, lambda: self.store.commit(work)):
            self.due[lease.id] = due

    @precondition(lambda self: self.book.leases)
    @rule(
        data=st.data(),
        forged=st.sampled_from([0, 0, -1, 1]),
        kind=st.sampled_from(["WORK_STARTED", "ISSUE_DONE", "ISSUE_UNASSIGNED"]),
    )
    def write(self, data: st.DataObject, forged: int, kind: str) -> None:
        """I9: facts that a fence proves."""
        lease = self.some(data)
        proof = {"leaseId": lease.id, "fence": lease.fence + forged}
        event = fact(kind, int(lease.issue.partition("#")[2]), agentId=lease.agent, **proof)
        self.foretold(lease, forged, lambda: self.store.commit(unit(event, fences=((lease.id, lease.fence + forged),))))

    @precondition(lambda self: self.book.leases)
    @rule(
        data=st.data(),
        forged=st.sampled_from([0, 0, -1, 1]),
        kind=st.sampled_from(["complete", "fail", "fail later", "release"]),
    )
    def command(self, data: st.DataObject, forged: int, kind: str) -> None:
        """I9, I13: through the issue's actor."""
        lease = self.some(data)
        named: dict[str, Any] = {"lease": lease.id, "fence": lease.fence + forged}
        later = self.clock.now() + (5_000_000 if kind == "fail later" else 0)
        command: issues.Command
        if kind == "complete":
            command = issues.Complete(agent=lease.agent, state="done", **named)
        elif kind == "release":
            command = issues.Release(reason="asked to", **named)
        else:
            command = issues.Fail(agent=lease.agent, reason="could not", retry_at=later, **named)
        self.foretold(lease, forged, lambda: self.system.ask("issue", CALL, lease.issue, command))

    @rule(number=NUMBERS)
    def take_back(self, number: int) -> None:
        """An operator's word needs no lease."""
        if f"acme/app#{number}" in self.book.issues:
            self.run(self.store.commit(unit(fact("ISSUE_UNASSIGNED", number))))
            self.read_on()

    @rule(number=NUMBERS, name=st.integers(1, 4))
    def assign(self, number: int, name: int) -> None:
        """To an agent, which is to claim it; nothing happens where somebody holds it."""
        if f"acme/app#{number}" in self.book.issues:
            self.run(self.store.commit(unit(fact("ISSUE_ASSIGNED", number, agentId=self.agent(name)))))
            self.read_on()

    @rule(number=NUMBERS)
    def force_done(self, number: int) -> None:
        issue = self.book.issues.get(f"acme/app#{number}")
        if issue is not None:
            self.run(self.system.ask("issue", CALL, issue.stream, issues.ForceDone(reason="because")))
            self.read_on()
            assert issue.state == "done"

    # What befalls them

    @rule(name=st.integers(1, 4))
    def agent_dies(self, name: int) -> None:
        self.generation[name] += 1

    @rule(seconds=st.sampled_from([1, 5, 29, 61]))
    def time_passes(self, seconds: int) -> None:
        """I10: what is over by then ends, and nothing else; while the daemon is young, nothing."""
        self.clock.advance(seconds)
        over = {id_ for id_, lease in self.book.leases.items() if lease.ended is None and self.due[id_] <= self.clock.now()}
        if self.clock.monotonic() < self.grace_ends:
            over = set()
        self.run(self.fire())
        assert {e.data["leaseId"] for e in self.read_on() if e.type == "lease_expired"} == over

    async def fire(self) -> None:
        while await self.timers.fire() == 0:
            pass

    @rule()
    def daemon_dies(self) -> None:
        self.run(self.stop())
        self.crash()
        self.run(self.start())
        assert self.read_on() == []

    def crash(self) -> None:
        """Between the daemon's death and its next start."""

    # Parts

    def some(self, data: st.DataObject) -> Lease:
        """A lease, a live one as often as not, but none of the dead: who is dead says nothing."""
        alive = {self.agent(name) for name in self.generation}
        known = [lease for lease in self.book.leases.values() if lease.agent in alive]
        live = [lease for lease in known if lease.ended is None]
        favour_live: bool = data.draw(st.booleans())
        return data.draw(st.sampled_from(live if live and favour_live else known or list(self.book.leases.values())))

    def foretold(self, lease: Lease, forged: int, act: Any) -> bool:
        """Whether it was done, which is so exactly when the lease lives and its fence is right; else nothing is stored."""
        may = lease.ended is None and not forged

        async def tried() -> bool:
            try:
                await act()
            except StaleLease:
                return False
            except RigError as other:
                raise AssertionError(f"refused as {other.code}") from other
            return True

        assert self.run(tried()) == may
        assert bool(self.read_on()) <= may
        return may

    # What must hold

    @invariant()
    def the_model_finds_no_fault_in_the_log(self) -> None:
        """I8, I9, I13"""
        assert self.book.faults == []
        assert self.faults == []

    @invariant()
    def the_store_says_of_leases_and_queue_what_the_model_says(self) -> None:
        for id_, lease in self.book.leases.items():
            row = self.store.get(LEASES, TENANT, id_)
            assert row is not None
            assert (row.issue, row.fence, row.agent, row.state == "live") == (
                lease.issue,
                lease.fence,
                lease.agent,
                lease.ended is None,
            )
        now = self.clock.now()
        query = Query(QUEUE, TENANT, (("ready", "=", 1), ("not_before", "<=", now)), ("rank", "queued_sequence"))
        with self.store.snapshot() as snapshot:
            listed = [key for key, _ in snapshot.page(query)]
        waiting = [
            i for i in self.book.issues.values() if i.state == "queued" and i.not_before <= now and not self.book.open(i)
        ]
        assert listed == [i.stream for i in sorted(waiting, key=lambda i: i.place)]

    def teardown(self) -> None:
        """Nothing starves: when all agents are dead and others come, each issue is handed out and done."""
        try:
            if self.book.issues:
                self.outlive()
        finally:
            self.run(self.stop())
            self.run(self.store.close())
            self.runner.close()

    def outlive(self) -> None:
        for name in self.generation:
            self.agent_dies(name)
        for number, issue in ((int(stream.partition("#")[2]), issue) for stream, issue in list(self.book.issues.items())):
            if issue.push is not None:
                self.take_back(number)
        self.time_passes(61)
        self.time_passes(61)
        for _ in range(len(self.book.issues) + 1):
            self.claim([1, 2, 3, 4], 60)
            for lease in [x for x in self.book.leases.values() if x.ended is None]:
                done = issues.Complete(agent=lease.agent, lease=lease.id, fence=lease.fence, state="done")
                self.foretold(lease, 0, lambda lease=lease, done=done: self.system.ask("issue", CALL, lease.issue, done))
        assert {issue.state for issue in self.book.issues.values()} == {"done"}


class MemoryMachine(LeaseMachine):
    """The store outlives the daemon: it has no disk to come back from."""

    async def open(self) -> Log:
        return self.store if self.starts > 1 else open_memory(clock=self.clock, ids=SeededIds(7))


class SqliteMachine(LeaseMachine):
    """A start reads what is on disk."""

    def __init__(self) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="rig-leases-"))
        super().__init__()

    async def open(self) -> Log:
        return open_sqlite(self.place, clock=self.clock, ids=SeededIds(6 + self.starts)).log

    def crash(self) -> None:
        self.run(self.store.close())

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            shutil.rmtree(self.place)


EXAMPLES = int(os.environ.get("RIG_TEST_EXAMPLES", "50"))


def cases(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


TestMemoryMachine = MemoryMachine.TestCase
TestMemoryMachine.settings = cases(3 * EXAMPLES)
TestSqliteMachine = SqliteMachine.TestCase
TestSqliteMachine.settings = cases(EXAMPLES)
