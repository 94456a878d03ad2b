"""Under many lists a real daemon reads them in a process of its own, which comes and goes with it (B6, F1)."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from rig.store.verify import DATABASE
from tests.acceptance.daemon import Daemon, running

LISTS = (
    "/api/issues",
    "/api/queue",
    "/api/agents",
    "/api/jobs",
    "/api/execution-logs",
    "/api/costs/summary",
    "/api/issues/o%2Fr%231/trace",
)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with running(tmp_path / "rig") as daemon:
        events = [{"type": "ISSUE_APPROVED", "repo": "o/r", "issueNumber": n, "title": "t" * 500} for n in range(1, 400)]
        assert daemon.ask("POST", "/api/events/batch", events).status == 200
        assert daemon.ask("POST", "/api/assignments/claim", {"agentId": "a"}).status == 200
        yield daemon


def answers(daemon: Daemon, path: str) -> bytes:
    answer = daemon.ask("GET", f"{path}?limit=500" if "trace" not in path else path)
    assert answer.status == 200
    return answer.body


def beside(daemon: Daemon) -> list[psutil.Process]:
    return [child for child in psutil.Process(daemon.pid).children() if "rig.store.child" in child.cmdline()]


def until_up(child: psutil.Process) -> None:
    """It opens the database, then says that it is ready, and is used from then on."""
    ends = time.monotonic() + 20
    while DATABASE not in {Path(file.path).name for file in child.open_files()}:
        assert time.monotonic() < ends, "it does not come up"
        time.sleep(0.02)
    time.sleep(0.5)


def crowded(daemon: Daemon) -> psutil.Process:
    """Ask for many lists at once until there is a process for them."""
    with ThreadPoolExecutor(16) as askers:
        for _ in range(40):
            list(askers.map(lambda path: answers(daemon, path), LISTS * 6))
            if found := beside(daemon):
                until_up(found[0])
                return found[0]
    raise AssertionError("no process was started")


def test_it_answers_the_same_and_what_it_was_asked_for_is_answered_when_it_dies(daemon: Daemon) -> None:
    before = [answers(daemon, path) for path in LISTS]
    assert not beside(daemon), "a few lists are read by the daemon itself"
    child = crowded(daemon)
    used = sum(child.cpu_times()[:2])
    for _ in range(20):
        assert [answers(daemon, path) for path in LISTS] == before
    assert sum(child.cpu_times()[:2]) > used, "it reads"
    daemon.ask("POST", "/api/events", {"type": "ISSUE_APPROVED", "repo": "o/r", "issueNumber": 1000, "title": "newest"})
    assert b"newest" in answers(daemon, "/api/issues"), "what was acknowledged is read"
    with ThreadPoolExecutor(8) as askers:
        asked = [askers.submit(answers, daemon, path) for path in LISTS * 20]
        os.kill(child.pid, signal.SIGKILL)
        assert all(question.result() for question in asked)
    assert "the process that reads lists has ended with -9" in daemon.log.read_text()


@pytest.mark.parametrize("end", [Daemon.stop, Daemon.kill])
def test_it_ends_with_the_daemon(daemon: Daemon, end: object) -> None:
    child = crowded(daemon)
    began = time.monotonic()
    end(daemon)  # type: ignore[operator]
    assert time.monotonic() - began < 10
    child.wait(10)


def test_of_a_daemon_that_is_killed_it_leaves_the_files_as_they_are(daemon: Daemon) -> None:
    """Whoever closes a database last moves its WAL into it: what is checked at the next start would be gone (I6)."""
    child = crowded(daemon)
    answers(daemon, "/api/issues")
    wal = daemon.data / f"{DATABASE}-wal"
    assert wal.name in {Path(file.path).name for file in child.open_files()}, "it has read"
    daemon.kill()
    before = wal.read_bytes()
    child.wait(10)
    assert wal.read_bytes() == before
