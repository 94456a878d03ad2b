"""A hundred thousand issues cost disk, not memory: only what is touched is held, and not for ever (A8, S11)."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.acceptance.daemon import Daemon, running
from tests.acceptance.wire import Connection

MAX_ACTIVE = 200


def approve(daemon: Daemon, issues: int) -> None:
    """That many issues, through the batch endpoint."""
    with Connection(daemon.url, timeout=60) as connection:
        for start in range(0, issues, 1000):
            events = [
                {"type": "ISSUE_APPROVED", "repo": "acme/app", "issueNumber": n + 1, "title": f"issue {n + 1}"}
                for n in range(start, min(start + 1000, issues))
            ]
            assert connection.ask("POST", "/api/events/batch", events).status == 200


def touched(daemon: Daemon, numbers: range) -> list[float]:
    """Seconds that each of these issues' actors took to answer a command that it refuses: the actor's own time, no commit."""
    taken = []
    with Connection(daemon.url) as connection:
        for number in numbers:
            began = time.perf_counter()
            answer = connection.ask("POST", f"/api/v1/issues/acme%2Fapp%23{number}/abort", {"reason": "touched"})
            taken.append(time.perf_counter() - began)
            assert answer.status in (200, 202), answer.body
    return taken


def gauge(daemon: Daemon, name: str) -> float:
    for line in daemon.ask("GET", "/metrics").body.decode().splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    raise AssertionError(f"no gauge {name}")


def figures(tmp_path: Path, issues: int, touches: int) -> dict[str, float]:
    """Resident megabytes, median milliseconds of a first and a second touch, actors left; asserts that actors are let go."""
    config = f"[actors]\nmax_active = {MAX_ACTIVE}\n"
    with running(tmp_path / "rig", config=config) as daemon:
        approve(daemon, issues)
        assert int(daemon.ask("GET", "/api/issues").headers["X-Rig-As-Of"]) >= issues
        first = touched(daemon, range(1, issues, issues // touches))
        again = touched(daemon, range(1, issues, issues // touches))
        actors = gauge(daemon, "rig_actors_active")
        assert 0 < actors <= MAX_ACTIVE
        resident = psutil.Process(daemon.pid).memory_info().rss / 1e6
        wal = (daemon.data / "log.db-wal").stat().st_size / 1e6
        assert daemon.stop() == 0
        daemon.start()
        restart = daemon.ready_seconds
    return {
        "resident MB": round(resident, 1),
        "first touch ms": round(statistics.median(first) * 1e3, 2),
        "second touch ms": round(statistics.median(again) * 1e3, 2),
        "actors": actors,
        "WAL MB": round(wal, 1),
        "restart s": round(restart, 2),
    }


def test_issues_that_are_not_touched_are_not_held(tmp_path: Path) -> None:
    """A small version, for every run."""
    found = figures(tmp_path, 5_000, 400)
    assert found["resident MB"] < 200
    assert found["second touch ms"] <= 20


@pytest.mark.slow
def test_a_hundred_thousand_issues_fit_in_three_hundred_megabytes(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    found = figures(tmp_path, 100_000, 1_000)
    record_property("figures", found)
    print(found)
    assert found["resident MB"] < 300
    assert found["first touch ms"] <= 5
    assert found["second touch ms"] <= 5
    assert found["WAL MB"] <= 64 * 1.05
