"""A storm of claimers on a real daemon, killed and killing, whose whole history keeps the promises of a queue (I8, I9, I13).

The full one takes a minute or two: ``pytest -m slow -s tests/acceptance/test_claim_storm.py``. RIG_TEST_SEED gives the dice of a run
that was printed before; processes and the daemon still interleave as they like.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rig.client import Client, Target
from rig.errors import RigError
from tests.acceptance.claimers import Claimer, Record, read_record
from tests.acceptance.daemon import Daemon
from tests.checkers.history import Limits, Verdict, check
from tests.checkers.leases import Entry
from tests.servers.postgres import PostgresServer

GRACE = 3
WAIT, LATE = 10.0, 8.0
"""Seconds that the head of the queue may wait, and that a lease may outlive its end, on a machine that is busy."""


@dataclass(frozen=True)
class Size:
    """How much of everything. ``seconds`` is the time after which it has failed."""

    issues: int
    here: int
    """Claimers in the test's own process, which live to the end."""
    processes: int
    each: int
    """Claimers in each of the processes, which do not."""
    kills: int
    """How often the daemon is killed."""
    freezes: int
    """How often it is stopped for a while, as by a laptop that sleeps."""
    pause: float
    """Seconds between two kills of a process, on average."""
    seconds: float


SMALL = Size(issues=200, here=6, processes=2, each=3, kills=1, freezes=0, pause=1.5, seconds=60)
FULL = Size(issues=2000, here=26, processes=6, each=4, kills=3, freezes=2, pause=0.7, seconds=300)


@dataclass(frozen=True)
class Place:
    """A store for the daemon."""

    arguments: list[str]
    restart_server: Callable[[], None] | None = None


@dataclass
class Storm:
    """A daemon, its claimers, and what happens to them."""

    daemon: Daemon
    size: Size
    seed: str
    folder: Path
    restart_server: Callable[[], None] | None = None
    """Has the store's server crash and start again, where it has one."""
    down: list[tuple[int, int]] = field(default_factory=list)
    grace: list[tuple[int, int]] = field(default_factory=list)
    kills: int = 0
    done: set[str] = field(default_factory=set)
    streamed: list[tuple[int, str, Any]] = field(default_factory=list)
    """What the event stream told: sequence, type, data."""
    _children: "list[subprocess.Popen[bytes]]" = field(default_factory=list)
    _generations: int = 0

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    async def rage(self) -> None:
        """Until each issue is done."""
        keys = await asyncio.to_thread(self._prepare)
        record = Record(self.folder / "here.ndjson")
        try:
            async with asyncio.timeout(self.size.seconds), asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._claimer(keys.pop(), n, record)) for n in range(self.size.here)]
                tasks += [group.create_task(self._kill_claimers(keys)), group.create_task(self._meddle())]
                killer = group.create_task(self._disturb())
                await self._watch()
                await killer
                for task in tasks:
                    task.cancel()
        finally:
            for child in self._children:
                _kill(child)
            record.close()

    def judged(self, log: list[Entry]) -> Verdict:
        calls = [call for file in sorted(self.folder.glob("*.ndjson")) for call in read_record(file)]
        return check(calls, log, Limits(wait=WAIT, expiry=LATE, down=tuple(self.down), grace=tuple(self.grace)))

    def _prepare(self) -> list[str]:
        """Start the daemon, make a key for each claimer, and queue the issues in random order, some behind others."""
        self.folder.mkdir(parents=True)
        self._start()
        keys = [
            self.daemon.ask("POST", "/api/api-keys", {"name": f"claimer {n}"}).json["key"]
            for n in range(self.size.here + self.size.processes * self.size.each)
        ]
        events = []
        for number in range(1, self.size.issues + 1):
            blockers = (
                self.dice.sample(range(1, number), self.dice.randint(1, 3)) if number > 3 and self.dice.random() < 0.2 else []
            )
            priority = self.dice.choice(["critical", "high", "normal", "low"])
            events.append({"type": "ISSUE_APPROVED", "repo": "acme/app", "issueNumber": number, "priority": priority})
            if blockers:
                events[-1]["dependsOn"] = [f"acme/app#{n}" for n in blockers]
        self.dice.shuffle(events)
        for begin in range(0, len(events), 500):
            answer = self.daemon.ask("POST", "/api/events/batch", events[begin : begin + 500])
            assert not [r for r in answer.json if "error" in r], answer.json
        return keys

    def _start(self) -> None:
        self.daemon.start()
        now = time.time_ns() // 1000
        self.grace.append((now - 5_000_000, now + GRACE * 1_000_000))

    # What happens to them

    async def _claimer(self, key: str, number: int, record: Record) -> None:
        await Claimer(self.daemon.url, key, f"here-{number}", f"{self.seed}/here/{number}", record).run()

    async def _kill_claimers(self, keys: list[str]) -> None:
        """Processes of claimers, each killed amid its work and followed by a new one, over and over."""
        size = self.size
        shares = [keys[n * size.each : (n + 1) * size.each] for n in range(size.processes)]
        self._children = [await asyncio.to_thread(self._launch, share) for share in shares]
        while True:
            await asyncio.sleep(self.dice.uniform(0.5, 1.5) * size.pause)
            place = self.dice.randrange(size.processes)
            _kill(self._children[place])
            self.kills += 1
            self._children[place] = await asyncio.to_thread(self._launch, shares[place])

    def _launch(self, keys: list[str]) -> "subprocess.Popen[bytes]":
        self._generations += 1
        name = f"process-{self._generations}"
        claimers = [{"agent": f"{name}-{n}", "key": key, "seed": f"{self.seed}/{name}/{n}"} for n, key in enumerate(keys)]
        told = {"url": self.daemon.url, "record": str(self.folder / f"{name}.ndjson"), "claimers": claimers}
        with (self.folder / f"{name}.err").open("wb") as errors:
            child = subprocess.Popen(
                [sys.executable, "-m", "tests.acceptance.claimers"],
                stdin=subprocess.PIPE,
                stderr=errors,
                cwd=Path(__file__).parents[2],
            )
        assert child.stdin is not None
        child.stdin.write(json.dumps(told).encode())
        child.stdin.close()
        return child

    async def _disturb(self) -> None:
        """Kill the daemon and start it again on the same port, freeze it, crash its store: each after some more issues are done."""
        befalls = [self._kill_daemon] * self.size.kills + [self._freeze_daemon] * self.size.freezes
        befalls += [self._crash_server] if self.restart_server is not None else []
        self.dice.shuffle(befalls)
        for number, befall in enumerate(befalls, 1):
            share = (number + self.dice.uniform(-0.2, 0.2)) / (len(befalls) + 1)
            while len(self.done) < share * self.size.issues:
                await asyncio.sleep(0.02)
            begin = time.time_ns() // 1000
            await asyncio.to_thread(befall)
            self.down.append((begin, time.time_ns() // 1000 + 1_000_000))

    def _kill_daemon(self) -> None:
        self.daemon.kill()
        self._start()

    def _freeze_daemon(self) -> None:
        assert self.daemon.process is not None
        self.daemon.process.send_signal(signal.SIGSTOP)
        time.sleep(2.5)
        self.daemon.process.send_signal(signal.SIGCONT)

    def _crash_server(self) -> None:
        assert self.restart_server is not None
        self.restart_server()

    async def _meddle(self) -> None:
        """An operator takes issues from whoever has them, assigns some to an agent that lives, and declares a few done."""
        async with Client(Target(self.daemon.url)) as client:
            while True:
                await asyncio.sleep(self.dice.uniform(0.0, 0.1))
                issue: dict[str, Any] = {"repo": "acme/app", "issueNumber": self.dice.randint(1, self.size.issues)}
                agent = f"here-{self.dice.randrange(self.size.here)}"
                with contextlib.suppress(RigError):
                    match self.dice.randrange(10):
                        case 0:
                            await client.call("force_done", reason="meddling", **issue)
                        case 1 | 2 | 3 | 4:
                            await client.call("post_event", type="ISSUE_ASSIGNED", agentId=agent, **issue)
                        case _:
                            await client.call("post_event", type="ISSUE_UNASSIGNED", **issue)

    async def _watch(self) -> None:
        """Read the log as a stream from its beginning, over all kills of the daemon, until each issue is done."""
        async with Client(Target(self.daemon.url)) as client, contextlib.aclosing(client.events(since=0)) as frames:
            async for frame in frames:
                if frame.event == "gap":
                    continue  # the client reads what it missed
                said = json.loads(frame.data)
                self.streamed.append((said["sequence"], said["type"], said["data"]))
                if said["type"] in ("issue_done", "work_completed", "issue_forced_done"):
                    self.done.add(said["streamId"])
                if len(self.done) == self.size.issues:
                    return


def _kill(child: "subprocess.Popen[bytes]") -> None:
    child.kill()
    child.wait(10)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.asynccontextmanager
async def stormed(size: Size, folder: Path, store: Place) -> AsyncIterator[Storm]:
    seed = os.environ.get("RIG_TEST_SEED") or str(random.SystemRandom().randrange(10**9))
    print(f"\nRIG_TEST_SEED={seed}")
    config = f"""
[dispatch]
success_state = "done"
max_retry_backoff_ms = 300
[duties]
lease_grace_seconds = {GRACE}
"""
    daemon = Daemon(folder / "rig", config=config, arguments=["--port", str(free_port()), *store.arguments])
    storm = Storm(daemon, size, seed, folder / "records", store.restart_server)
    try:
        await storm.rage()
        yield storm
    finally:
        daemon.kill()


def told(storm: Storm, found: Verdict, log: list[Entry], seconds: float) -> str:
    answers = ", ".join(f"{n} {what}" for what, n in sorted(found.answers.items()))
    return (
        f"seed {storm.seed}: {storm.size.issues} issues done in {seconds:.0f} s, {len(log)} events, {found.grants} leases, "
        f"{found.pushed} of them assigned before "
        f"({dict(found.ended)}), {storm.kills} processes killed, the daemon {storm.size.kills} times, "
        f"the head waited {found.longest_wait:.2f} s at most\n{answers}"
    )


async def weather(size: Size, folder: Path, store: Place) -> None:
    began = time.monotonic()
    async with stormed(size, folder, store) as storm:
        seconds = time.monotonic() - began
        exported: list[dict[str, Any]] = [
            json.loads(line) for line in storm.daemon.rig("export", *store.arguments, check=True).stdout.splitlines()
        ]
        log = [Entry.of(line) for line in exported if line["tenant"] == "default"]
        found = storm.judged(log)
        print(told(storm, found, log, seconds))
        assert not found.faults, f"seed {storm.seed}: {len(found.faults)} faults: " + "; ".join(map(str, found.faults[:20]))
        assert storm.streamed == [(e.sequence, e.type, e.data) for e in log[: len(storm.streamed)]]
        assert [file.read_text() for file in storm.folder.glob("*.err") if file.stat().st_size] == []
        assert len(storm.down) == size.kills + size.freezes + (store.restart_server is not None)
        assert storm.kills > 0
        for share in ("lease_expired", "work_completed", "issue_done", "work_failed", "issue_unassigned"):
            assert found.ended[share], share
        assert found.answers["heartbeat 409"] + found.answers["complete 409"] + found.answers["start 409"] > 0
        states = {row["state"] for row in storm.daemon.ask("GET", "/api/issues?limit=500").json}
        assert states == {"done"}
        assert storm.daemon.ask("GET", "/api/queue").json == []
        groups = [stream["groups"].get("agents", {}) for stream in storm.daemon.ask("GET", "/api/streams").json.values()]
        assert sum(group.get("pending", 0) for group in groups) == 0
        assert "quarantined" not in {row["state"] for row in storm.daemon.ask("GET", "/api/v1/plugins").json}
        assert storm.daemon.stop() == 0
        checked = storm.daemon.rig("rebuild", "--check", *store.arguments)
        assert checked.returncode == 0, checked.stdout


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> Place:
    """Where the daemon keeps its log."""
    if request.param == "sqlite":
        return Place([])
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return Place(["--store", request.getfixturevalue("postgres_url")], server.restart)


async def test_a_storm_of_claimers_breaks_no_promise_of_the_queue(tmp_path: Path, store: Place) -> None:
    """I8, I9, I13"""
    await weather(SMALL, tmp_path, store)


@pytest.mark.slow
async def test_fifty_claimers_on_two_thousand_issues_break_no_promise_of_the_queue(tmp_path: Path, store: Place) -> None:
    """I8, I9, I13, F11"""
    await weather(FULL, tmp_path, store)
