"""The daemon is killed at any moment, and at each system call of an exchange: what was acknowledged is there, once (I1–I3, F1, F2)."""

import json
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rig.store.doctor import examine, reading
from tests.acceptance.daemon import Daemon, running
from tests.acceptance.wire import Connection, Lost

WRITERS = 8


@dataclass
class Ledger:
    """What the clients know: each key, and the answer that it was acknowledged with."""

    acknowledged: dict[str, bytes] = field(default_factory=dict)
    unknown: int = 0
    """Requests that ended without an answer."""
    replayed: int = 0
    """Of their repeats, those that had been stored after all."""
    refused: Counter[int] = field(default_factory=Counter)
    """Answers that were no acknowledgement, by status."""
    lock: threading.Lock = field(default_factory=threading.Lock)


def write(daemon: Daemon, writer: int, ledger: Ledger, stop: threading.Event) -> None:
    """Post one event after another, each with its own key until that key is acknowledged."""
    number = 0
    while not stop.is_set():
        number += 1
        key = f"w{writer}-{number}"
        event = {"type": "HUMAN_GATE_REMINDER", "repo": "acme/app", "issueNumber": writer + 1, "key": key}
        deadline = time.monotonic() + 60
        connection: Connection | None = None
        while time.monotonic() < deadline:
            try:
                connection = connection or Connection(daemon.url, timeout=10)
                answer = connection.ask("POST", "/api/events", event, {"Idempotency-Key": key})
            except Lost as error:
                with ledger.lock:
                    ledger.unknown += not isinstance(error, ConnectionRefusedError)
                connection = None
                time.sleep(0.01)
                continue
            with ledger.lock:
                if answer.status == 200:
                    ledger.replayed += answer.headers.get("Idempotent-Replayed") == "true"
                    ledger.acknowledged[key] = answer.body
                else:
                    ledger.refused[answer.status] += 1
            if answer.status == 200:
                break
        if connection is not None:
            connection.close()


def check(daemon: Daemon) -> list[dict[str, Any]]:
    """A stopped daemon's store is clean and its read models are what the log says; its events."""
    doctor = daemon.rig("doctor")
    assert doctor.returncode == 0, doctor.stdout
    again = daemon.rig("rebuild", "--check")
    assert again.returncode == 0, again.stdout
    assert "every read model is what the log says" in again.stdout
    events = [json.loads(line) for line in daemon.rig("export").stdout.splitlines()]
    events = [event for event in events if "position" in event]
    assert [event["position"] for event in events] == list(range(1, len(events) + 1))
    return events


def crash_loop(tmp_path: Path, kills: int, pause: tuple[float, float], seed: int, *, gently: bool = False) -> dict[str, Any]:
    """Eight writers and ``kills`` kills (``gently``: SIGTERM); the figures of the run once everything was found to hold."""
    pauses = random.Random(seed)
    ledger, stop, ready = Ledger(), threading.Event(), []
    with running(tmp_path / "rig") as daemon:
        writers = [threading.Thread(target=write, args=(daemon, n, ledger, stop)) for n in range(WRITERS)]
        for writer in writers:
            writer.start()
        try:
            for _ in range(kills):
                time.sleep(pauses.uniform(*pause))
                if gently:
                    assert daemon.stop() == 0
                else:
                    daemon.kill()
                daemon.start()
                ready.append(daemon.ready_seconds)
            time.sleep(0.2)
        finally:
            stop.set()
            for writer in writers:
                writer.join(90)
        assert not any(writer.is_alive() for writer in writers)
        assert daemon.stop() == 0
        events = check(daemon)
    stored = Counter(event["data"]["key"] for event in events if event["type"] == "human_gate_reminder")
    assert stored == Counter(dict.fromkeys(ledger.acknowledged, 1))
    times = {(e["data"]["key"]): e["at"] for e in events if "key" in e["data"]}
    for key, answer in ledger.acknowledged.items():
        assert times[key].startswith(json.loads(answer)["timestamp"].removesuffix("Z"))
    assert max(ready) < 5
    assert set(ledger.refused) <= {503}
    assert "Traceback" not in daemon.log.read_text()
    return {
        "kills": kills,
        "acknowledged": len(ledger.acknowledged),
        "unknown": ledger.unknown,
        "stored though unanswered": ledger.replayed,
        "ready": f"median {sorted(ready)[len(ready) // 2]:.2f} s, worst {max(ready):.2f} s",
    }


def test_three_kills_lose_and_repeat_nothing(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """I1, I2, I3"""
    record_property("figures", crash_loop(tmp_path, 3, (0.1, 0.5), seed=1))


def test_a_stop_under_load_loses_and_repeats_nothing(tmp_path: Path) -> None:
    """I1, I3, I32"""
    crash_loop(tmp_path, 1, (0.3, 0.5), seed=3, gently=True)


@pytest.mark.chaos
def test_twenty_kills_lose_and_repeat_nothing(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """I1, I2, I3, S1"""
    figures = crash_loop(tmp_path, 20, (0.05, 2.0), seed=2)
    record_property("figures", figures)
    print(figures)


# The sweep: one exchange, killed at each call in turn


class Killed(Exception):
    """The daemon died in the middle."""


@dataclass
class Exchange:
    """A scripted client: what it asks, step by step, each step with its key; remembers what was acknowledged."""

    daemon: Daemon
    acknowledged: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    lease: dict[str, Any] = field(default_factory=dict)

    def play(self) -> None:
        """All steps in order. Raises Killed at the first that gets no answer. Repeating it must change nothing."""
        event = {"type": "ISSUE_APPROVED", "repo": "acme/app", "issueNumber": 1, "title": "one"}
        self._step("post", "POST", "/api/events", event)
        self._step("create", "POST", "/api/v1/issues", {"repo": "acme/app", "issueNumber": 2})
        self._step("batch", "POST", "/api/events/batch", [event | {"issueNumber": n} for n in (3, 4)])
        self.lease = json.loads(self._step("claim", "POST", "/api/assignments/claim", {"agentId": "a"}))["lease"]
        proof = {"agentId": "a", "fence": self.lease["fence"]}
        started = event | {"type": "WORK_STARTED", "leaseId": self.lease["id"], **proof}
        self._step("started", "POST", "/api/events", started)
        self._step("beat", "POST", f"/api/leases/{self.lease['id']}/heartbeat", proof)
        self._step("complete", "POST", f"/api/leases/{self.lease['id']}/complete", proof)
        self._step("key", "POST", "/api/api-keys", {"name": "k"})
        self._step("overlay", "PATCH", "/api/v1/config/overlay", {"path": "dispatch.max_turns", "value": 7})
        self._step("abort", "POST", "/api/v1/issues/acme%2Fapp%232/abort")

    def _step(self, key: str, method: str, path: str, body: Any = None) -> bytes:
        for _ in range(5):
            try:
                answer = self.daemon.ask(method, path, body, headers={"Idempotency-Key": key}, timeout=10)
            except Lost:
                if self.daemon.process is None or self.daemon.process.poll() is not None:
                    raise Killed(key) from None
                continue
            if answer.status != 503:
                break
            assert answer.json.get("code", "") or answer.json["error"]["code"]
            time.sleep(0.02)
        else:
            raise Killed(key)
        assert answer.status in (200, 201, 202), (key, answer.status, answer.body)
        known = self.acknowledged.setdefault(key, (answer.status, answer.body))
        assert known == (answer.status, answer.body), "the same key got another answer"
        return answer.body


WANTED = Counter(
    {
        "issue_approved": 4,
        "issue_assigned": 1,
        "job_created": 1,
        "work_started": 1,
        "work_completed": 1,
        "key_created": 1,
        "config_changed": 1,
        "issue_aborted": 1,
    }
)
"""Events of the whole exchange, but for the daemon's own."""


KILL = "signal=SIGKILL"
LOG = ("log.db", "log.db-wal", "log.db-journal", "head")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A daemon's directory after a first start and stop: the store is made, and what is written from now on is the exchange."""
    with running(tmp_path_factory.mktemp("made") / "rig") as daemon:
        assert daemon.stop() == 0
    return daemon.directory


def swept(
    tmp_path: Path,
    strace: str,
    call: str,
    numbers: Iterator[int],
    names: tuple[str, ...] = LOG,
    made: Path | None = None,
    effect: str = KILL,
) -> dict[str, int]:
    """Run the exchange killed at the n-th ``call`` on these files, for each number until one passes the end.

    Another ``effect`` is an error of that call; then all numbers are tried.

    It begins with an empty directory, or with what is in ``made``. strace counts the calls of each thread by itself: the n-th is
    that of the thread that gets there first, which is the start's for a new store, and the writer's later.
    """
    points = died = 0
    for number in numbers:
        directory = tmp_path / f"{call}-{number}"
        if made is not None:
            shutil.copytree(made, directory)
        daemon = Daemon(directory)
        only = [part for name in names for part in ("-P", str(daemon.data / name))]
        inject = ["-e", f"trace={call}", "-e", f"inject={call}:{effect}:when={number}"]
        daemon.wrapper = [strace, "-f", "-qq", "-o", "/dev/null", *only, *inject]
        exchange = Exchange(daemon)
        killed = True
        try:
            try:
                daemon.start()
                exchange.play()
                assert daemon.process is not None
                os.kill(daemon.pid, signal.SIGTERM)
                killed = daemon.process.wait(20) != 0
            except Killed:
                pass
            except AssertionError as error:  # killed before it was ready
                if "rig serve ended with" not in str(error):
                    raise
            daemon.kill()
            points += 1
            died += killed
            settle(daemon, exchange)
        finally:
            daemon.kill()
        shutil.rmtree(directory)
        if not killed and effect == KILL:
            break
    return {"points": points, "killed": died}


def settle(daemon: Daemon, exchange: Exchange) -> None:
    """After a kill: nothing is damaged, all that was acknowledged is there, and repeating all of it makes the whole, once."""
    if (daemon.data / "log.db").exists():
        assert [f for f in examine(daemon.data) if f.level == "fail"] == []
    daemon.wrapper = ()
    daemon.start()
    assert daemon.ready_seconds < 5
    exchange.play()
    assert daemon.stop() == 0
    assert [f for f in examine(daemon.data) if f.level == "fail"] == []
    with reading(daemon.data) as connection:
        events = connection.execute("SELECT type FROM events WHERE stream NOT IN ('daemon', 'audit')").fetchall()
    found = Counter(type_ for (type_,) in events)
    assert found - Counter(heartbeat=9) == WANTED, found
    assert "Traceback" not in daemon.log.read_text()


@pytest.mark.parametrize(("call", "number"), [("pwrite64", 90), pytest.param("fdatasync", 5, marks=pytest.mark.chaos)])
def test_a_kill_at_a_system_call_leaves_what_was_acknowledged(
    tmp_path: Path, require: Callable[[str], str], made: Path, call: str, number: int
) -> None:
    """I1, I2, I3, F2"""
    assert swept(tmp_path, require("strace"), call, iter([number]), made=made)["killed"] == 1


def sweep_numbers(last: int = 2000) -> Iterator[int]:
    """1, 2, 3 …, or what RIG_TEST_SWEEP="first:step" says, so that several can share a sweep."""
    first, step = map(int, os.environ.get("RIG_TEST_SWEEP", "1:1").split(":"))
    return iter(range(first, last + 1, step))


@pytest.mark.chaos
@pytest.mark.parametrize("call", ["fdatasync", "pwrite64"])
@pytest.mark.parametrize("new", [True, False], ids=["new_store", "made_store"])
def test_a_kill_at_each_system_call_leaves_what_was_acknowledged(
    tmp_path: Path,
    require: Callable[[str], str],
    made: Path,
    call: str,
    new: bool,
    record_property: Callable[[str, object], None],
) -> None:
    """I1, I2, I3, F2, F4, S2"""
    figures = swept(tmp_path, require("strace"), call, sweep_numbers(), made=None if new else made)
    record_property("figures", figures)
    print(call, figures)
    assert figures["points"] == figures["killed"] + 1, "the sweep never passed the end"


@pytest.mark.chaos
@pytest.mark.parametrize("call", ["rename", "link", "unlink", "fsync"])
def test_a_kill_while_a_file_beside_the_log_is_made_or_replaced_leaves_a_whole_one(
    tmp_path: Path, require: Callable[[str], str], call: str, record_property: Callable[[str, object], None]
) -> None:
    """I1, F2, F27: keys, token and mirror."""
    figures = swept(tmp_path, require("strace"), call, iter(range(1, 60)), ())
    record_property("figures", figures)
    print(call, figures)
    assert figures["points"] == figures["killed"] + 1, "the sweep never passed the end"


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("call", "effect", "last"),
    [("fdatasync", "error=EIO", 14), ("pwrite64", "error=EIO", 310), ("pwrite64", "error=ENOSPC", 310)],
)
def test_an_error_of_each_system_call_never_makes_a_wrong_acknowledgement(
    tmp_path: Path, require: Callable[[str], str], made: Path, call: str, effect: str, last: int
) -> None:
    """I1, I3, I24, I25, S3"""
    print(call, effect, swept(tmp_path, require("strace"), call, sweep_numbers(last), made=made, effect=effect))
