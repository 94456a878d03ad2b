"""How the daemon lives with a disk that fails or is full, and with too few descriptors (I24, I25)."""

import contextlib
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.acceptance.daemon import Daemon, running
from tests.acceptance.wire import Connection, Lost, program, tampered, until


def test_after_an_fsync_error_nothing_is_acknowledged_and_the_process_ends(
    tmp_path: Path, require: Callable[[str], str]
) -> None:
    """I25, I3: what the client could not know is settled by asking again with the same key."""
    with running(tmp_path / "rig") as daemon:
        assert daemon.approve(1).status == 200
        assert daemon.process is not None
        event = {"type": "ISSUE_APPROVED", "repo": "acme/app", "issueNumber": 2}
        status = 0
        with tampered(require("strace"), daemon.pid, "fdatasync", "error=EIO"), Connection(daemon.url) as connection:
            try:
                status = connection.ask("POST", "/api/events", event, {"Idempotency-Key": "k-2"}).status
            except Lost:
                status = -1
            code = daemon.process.wait(10)
        assert status in (-1, 503)
        assert code not in (0, None)
        daemon.kill()
        daemon.start()
        for _ in range(2):
            assert daemon.ask("POST", "/api/events", event, headers={"Idempotency-Key": "k-2"}).status == 200
        assert len(daemon.ask("GET", "/api/events/stream?id=acme%2Fapp%232").json) == 1
        assert daemon.stop() == 0
        assert daemon.rig("doctor").returncode == 0


def full_disk(daemon: Daemon, fill: Callable[[], None], heal: Callable[[], None]) -> None:
    """Write until the disk is full, look at what still works, heal, and go on without a restart (I24)."""
    stored = 0
    with Connection(daemon.url) as connection:
        assert connection.ask("POST", "/api/events", event_of(stored)).status == 200
        stored += 1
        fill()
        refused: list[int] = []
        for n in range(1, 400):
            began = time.monotonic()
            answer = connection.ask("POST", "/api/events", event_of(n), {"Idempotency-Key": f"k-{n}"})
            assert time.monotonic() - began < 1
            if answer.status != 200:
                assert (answer.status, answer.json["code"]) == (503, "storage_unavailable"), answer.body
                assert "Retry-After" in answer.headers
                refused.append(n)
                if len(refused) == 20:
                    break
            else:
                stored += 1
        assert len(refused) == 20
        for path in ("/health", "/ready", "/api/issues", "/api/queue", "/metrics", "/healthz/deep"):
            assert connection.ask("GET", path).status == 200, path
        assert len(connection.ask("GET", "/api/events/stream?id=acme%2Fapp%231").json) == stored
        heal()
        for n in refused:
            answer = connection.ask("POST", "/api/events", event_of(n), {"Idempotency-Key": f"k-{n}"})
            assert answer.status == 200, answer.body
            stored += 1
        assert len(connection.ask("GET", "/api/events/stream?id=acme%2Fapp%231").json) == stored
    assert daemon.stop() == 0
    assert daemon.rig("doctor").returncode == 0
    assert "Traceback" not in daemon.log.read_text()


def event_of(n: int) -> dict[str, object]:
    return {"type": "HUMAN_GATE_REMINDER", "repo": "acme/app", "issueNumber": 1, "n": n, "filler": "x" * 9000}


def test_a_file_that_may_not_grow_refuses_writes_and_heals_without_a_restart(
    tmp_path: Path, require: Callable[[str], str]
) -> None:
    """I24"""
    prlimit = require("prlimit")
    with running(tmp_path / "rig") as daemon:

        def limit(size: str) -> None:
            done = program([prlimit, "--pid", str(daemon.pid), f"--fsize={size}:"])
            assert done.returncode == 0, done.stderr

        full_disk(
            daemon,
            lambda: limit(str((daemon.data / "log.db-wal").stat().st_size + 300_000)),
            lambda: limit("unlimited"),
        )


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_writes_that_fail_are_refused_and_heal_without_a_restart(
    tmp_path: Path, require: Callable[[str], str], error: str
) -> None:
    """I24, F6"""
    with running(tmp_path / "rig") as daemon:
        wal = str(daemon.data / "log.db-wal")
        tampering = tampered(require("strace"), daemon.pid, "pwrite64", f"error={error}", wal)
        with contextlib.ExitStack() as stack:
            full_disk(daemon, lambda: stack.enter_context(tampering), stack.close)


def test_a_checkpoint_that_finds_the_disk_full_costs_no_acknowledgement(tmp_path: Path, require: Callable[[str], str]) -> None:
    """I24"""
    with running(tmp_path / "rig") as daemon:
        database = str(daemon.data / "log.db")
        with tampered(require("strace"), daemon.pid, "pwrite64", "error=ENOSPC", database):
            with Connection(daemon.url) as connection:
                for n in range(130):
                    event = event_of(n) | {"filler": "x" * 200_000}
                    assert connection.ask("POST", "/api/events", event).status == 200
            daemon.wait_for(lambda: "cannot be moved" in daemon.log.read_text())
        assert daemon.ask("POST", "/api/events", event_of(130)).status == 200
        assert daemon.stop() == 0
        assert (daemon.data / "log.db").stat().st_size > 130 * 200_000
        assert daemon.rig("doctor").returncode == 0


def test_reads_that_fail_are_503_and_heal_without_a_restart(tmp_path: Path, require: Callable[[str], str]) -> None:
    """I24, I36: SQLite calls EIO of a read damage; writes may be refused for it until a restart has looked through the log."""
    with running(tmp_path / "rig") as daemon:
        events = [{"type": "ISSUE_APPROVED", "repo": "acme/app", "issueNumber": n, "filler": "x" * 4000} for n in range(1, 800)]
        assert daemon.ask("POST", "/api/events/batch", events).status == 200
        files = (str(daemon.data / "log.db"), str(daemon.data / "log.db-wal"))
        with tampered(require("strace"), daemon.pid, "pread64", "error=EIO", *files):
            for path in (
                "/api/issues?limit=500",
                "/api/queue?offset=300",
                "/api/events/stream?id=acme%2Fapp%23500",
                "/metrics",
            ):
                answer = daemon.ask("GET", path, timeout=5)
                assert answer.status in (200, 503), answer.body
            assert daemon.ask("GET", "/health").status == 200
        assert len(daemon.ask("GET", "/api/issues?limit=500").json) == 500
        wrote = daemon.approve(1000)
        assert wrote.status == 200 or wrote.json["code"] == "log_corrupt", wrote.body
        assert daemon.stop() == 0
        daemon.start()
        assert daemon.approve(1001).status == 200
        assert daemon.stop() == 0
        assert daemon.rig("doctor").returncode == 0


def test_a_daemon_out_of_descriptors_waits_and_goes_on(tmp_path: Path, require: Callable[[str], str]) -> None:
    """F25: more connections than it may hold open must not make it spin."""
    with running(tmp_path / "rig") as daemon:
        assert daemon.approve(1).status == 200
        process = psutil.Process(daemon.pid)
        limit = program([require("prlimit"), "--pid", str(daemon.pid), f"--nofile={process.num_fds() + 10}:"])
        assert limit.returncode == 0, limit.stderr
        address = urlsplit(daemon.url)
        with contextlib.ExitStack() as stack:
            for _ in range(60):
                stack.enter_context(socket.create_connection((address.hostname, address.port), timeout=5))
            before = sum(process.cpu_times()[:2])
            time.sleep(1)
            assert sum(process.cpu_times()[:2]) - before < 0.5

        def taken() -> bool:
            try:
                return daemon.approve(2).status == 200
            except OSError:  # the kernel's queue still holds connections that were given up
                return False

        until(taken, 10, "room for a connection")


@pytest.mark.chaos
def test_a_full_disk_is_survived_and_heals_without_a_restart(tmp_path: Path, require: Callable[[str], str]) -> None:
    """I24, F5: a file system of 8 MB of its own, where the machine lets one be mounted."""
    mount, place = require("mount"), tmp_path / "disk"
    place.mkdir()
    mounted = program([mount, "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)])
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        with running(place / "rig") as daemon:
            filler = place / "filler"

            def fill() -> None:
                with filler.open("wb") as file:
                    free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
                    file.write(bytes(max(0, free - 200_000)))

            full_disk(daemon, fill, filler.unlink)
    finally:
        program([require("umount"), str(place)])
