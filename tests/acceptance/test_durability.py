"""What an acknowledgement means, what damage is called, and how the daemon lives with a disk that fails (I1, I6, I24, I25, I28, I32)."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import socket
import sqlite3
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.acceptance.daemon import Answer, Daemon, running
from tests.acceptance.wire import Connection, EventStream, Lost, program, tampered, until

EVENTS = 30


def post(daemon: Daemon, n: int, **more: object) -> Answer:
    """One event with a marker that can be found in the files."""
    return daemon.post(type="ISSUE_APPROVED", repo="acme/app", issueNumber=n, title=f"marker-{n:04d}-here", **more)


# The order of fdatasync and answer


CALL = re.compile(r"^(?P<pid>\d+) +\S+ (?P<rest>.*)$")
READ = r"(?:(?:read|recvfrom|recvmsg)\(\d+<TCP[^>]*>|<\.\.\. (?:read|recvfrom|recvmsg) resumed>)"
ANSWER = r"(?:write|writev|sendto|sendmsg)\(\d+<TCP[^>]*>"


def test_an_fdatasync_of_the_log_lies_between_each_request_and_its_answer(
    tmp_path: Path, require: Callable[[str], str]
) -> None:
    """I1"""
    trace = tmp_path / "trace"
    calls = "trace=fdatasync,fsync,read,recvfrom,recvmsg,write,writev,sendto,sendmsg"
    strace = [require("strace"), "-f", "-tt", "-yy", "-s", "60", "-e", calls, "-o", str(trace)]
    with running(tmp_path / "rig", wrapper=strace) as daemon, Connection(daemon.url) as connection:
        for n in range(1, 21):
            body = {"type": "ISSUE_APPROVED", "repo": "acme/app", "issueNumber": n}
            assert connection.ask("POST", "/api/events", body).status == 200
        for path, answer in (
            ("/api/v1/issues", {"repo": "acme/app", "issueNumber": 99}),
            ("/api/assignments/claim", {"agentId": "a"}),
            ("/api/api-keys", {"name": "k"}),
            ("/api/events/batch", [{"type": "ISSUE_APPROVED", "repo": "acme/app", "issueNumber": 77}]),
        ):
            assert connection.ask("POST", path, answer).status in (200, 201)
        assert daemon.process is not None
        os.kill(daemon.pid, signal.SIGTERM)
        assert daemon.process.wait(20) == 0
    assert synced_requests(trace.read_text()) == [True] * 24


def synced_requests(trace: str) -> list[bool]:
    """For each POST in an strace of one client: did an fdatasync of the log end between its reading and its answer?"""
    found: list[bool] = []
    syncing: set[str] = set()
    asked = synced = False
    for line in trace.splitlines():
        match = CALL.match(line)
        if match is None:
            continue
        pid, rest = match["pid"], match["rest"]
        if re.match(r"fdatasync\(\d+<[^>]*log\.db-wal>", rest):
            if "unfinished" in rest:
                syncing.add(pid)
            else:
                synced = rest.endswith("= 0")
        elif rest.startswith("<... fdatasync resumed>") and pid in syncing:
            syncing.discard(pid)
            synced = rest.endswith("= 0")
        elif re.match(READ, rest) and '"POST /' in rest:
            asked, synced = True, False
        elif asked and re.match(ANSWER, rest) and '"HTTP/1.1 2' in rest:
            found.append(synced)
            asked = False
    return found


# Damage


@dataclass
class Damaged:
    """A stopped daemon's files, and what was known of them when they were whole."""

    daemon: Daemon
    first: int
    """Sequence of the event of marker 1; the others follow one by one."""

    @property
    def database(self) -> Path:
        return self.daemon.data / "log.db"

    @property
    def wal(self) -> Path:
        return self.daemon.data / "log.db-wal"

    def sequence(self, n: int) -> int:
        return self.first + n - 1


def filled(directory: Path, *, killed: bool) -> Damaged:
    """A log of marked events, one commit each: killed amid its WAL, or stopped and all in the database."""
    with running(directory) as daemon:
        with Connection(daemon.url) as connection:
            for n in range(1, EVENTS + 1):
                body = {
                    "type": "ISSUE_APPROVED",
                    "repo": "acme/app",
                    "issueNumber": n,
                    "title": f"marker-{n:04d}-here",
                }
                assert connection.ask("POST", "/api/events", body).status == 200
        if killed:
            daemon.kill()
        else:
            assert daemon.stop() == 0
    exported = daemon.rig("export").stdout.splitlines()
    (line,) = [line for line in exported if "marker-0001-here" in line]
    return Damaged(daemon, int(re.findall(r'"sequence":(\d+)', line)[0]))


def flip(file: Path, at: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(at)
        (byte,) = opened.read(1)
        opened.seek(at)
        opened.write(bytes([byte ^ 4]))


def body_bit(damaged: Damaged) -> int:
    """Flip a bit in every copy of event 11's text in the database."""
    content = damaged.database.read_bytes()
    places = [m.start() for m in re.finditer(b"marker-0011-here", content)]
    assert places
    for place in places:
        flip(damaged.database, place + 3)
    return damaged.sequence(11)


def wal_bit(damaged: Damaged) -> int:
    """Flip a bit in the frame that first held event 20; SQLite itself takes the log to end there."""
    flip(damaged.wal, damaged.wal.read_bytes().index(b"marker-0020-here"))
    return damaged.sequence(20)


def wal_tail(damaged: Damaged) -> int:
    """Cut the WAL within the last commit's first frame of the last event."""
    at = damaged.wal.read_bytes().index(b"marker-0030-here")
    os.truncate(damaged.wal, at)
    return damaged.sequence(30)


def wal_gone(damaged: Damaged) -> int:
    """The WAL is deleted; nothing of this run was checkpointed but its beginning."""
    damaged.wal.unlink()
    return 0


def database_cut(damaged: Damaged) -> int:
    """The second half of the database is gone."""
    os.truncate(damaged.database, damaged.database.stat().st_size // 2 // 4096 * 4096)
    return 0


def page_zeroed(damaged: Damaged) -> int:
    """The page that holds event 5 is nothing but zeros; the events of pages before it are whole."""
    content = damaged.database.read_bytes()
    (size,) = struct.unpack(">H", content[16:18])
    page = content.index(b"marker-0005-here") // size
    with damaged.database.open("r+b") as opened:
        opened.seek(page * size)
        opened.write(bytes(size))
    return 0


def rows_swapped(damaged: Damaged) -> int:
    """Two events have changed their bodies."""
    with sqlite3.connect(damaged.database) as connection:
        rows = dict(
            connection.execute(
                "SELECT sequence, body FROM events WHERE sequence IN (?, ?)", (damaged.sequence(8), damaged.sequence(9))
            )
        )
        connection.execute("UPDATE events SET body = ? WHERE sequence = ?", (rows[damaged.sequence(9)], damaged.sequence(8)))
        connection.execute("UPDATE events SET body = ? WHERE sequence = ?", (rows[damaged.sequence(8)], damaged.sequence(9)))
        connection.commit()
    connection.close()
    return damaged.sequence(8)


def row_deleted(damaged: Damaged) -> int:
    connection = sqlite3.connect(damaged.database)
    connection.execute("DELETE FROM events WHERE sequence = ?", (damaged.sequence(14),))
    connection.commit()
    connection.close()
    return damaged.sequence(15)


def newest_deleted(damaged: Damaged) -> int:
    """The log is shortened neatly, with all that SQL can see of it."""
    connection = sqlite3.connect(damaged.database)
    last = connection.execute("SELECT max(sequence) FROM events").fetchone()[0]
    connection.execute("DELETE FROM events WHERE sequence > ?", (last - 2,))
    connection.commit()
    connection.close()
    return int(last) - 1


def database_gone(damaged: Damaged) -> int:
    damaged.database.unlink()
    return 1


def contents(directory: Path) -> dict[str, str]:
    return {
        str(p.relative_to(directory)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in directory.rglob("*")
        if p.is_file() and p.name not in ("lock", "log.db-shm")
    }


Damage = Callable[[Damaged], int]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Damaged]:
    """By whether it was killed: one history that each test takes a copy of."""
    return {killed: filled(tmp_path_factory.mktemp("whole") / "rig", killed=killed) for killed in (True, False)}


@pytest.mark.parametrize(
    ("killed", "damage"),
    [
        (False, body_bit),
        (True, wal_bit),
        (True, wal_tail),
        (False, database_cut),
        pytest.param(True, wal_gone, marks=pytest.mark.chaos),
        pytest.param(False, page_zeroed, marks=pytest.mark.chaos),
        pytest.param(False, rows_swapped, marks=pytest.mark.chaos),
        pytest.param(False, row_deleted, marks=pytest.mark.chaos),
        pytest.param(False, newest_deleted, marks=pytest.mark.chaos),
        pytest.param(False, database_gone, marks=pytest.mark.chaos),
    ],
)
def test_damage_is_reported_with_its_first_bad_sequence_and_nothing_is_changed(
    tmp_path: Path, whole: dict[bool, Damaged], killed: bool, damage: Damage
) -> None:
    """I6"""
    shutil.copytree(whole[killed].daemon.directory, tmp_path / "rig")
    damaged = Damaged(Daemon(tmp_path / "rig"), whole[killed].first)
    wanted = damage(damaged)
    before = contents(damaged.daemon.data)
    doctor = damaged.daemon.rig("doctor")
    assert doctor.returncode == 1, doctor.stdout
    failed = "\n".join(line for line in doctor.stdout.splitlines() if line.startswith("fail"))
    said = re.search(r"damaged at sequence (\d+)|its head says", failed)
    assert said is not None, doctor.stdout + doctor.stderr
    began = time.monotonic()
    process = damaged.daemon.launch()
    assert process.wait(10) == 1
    assert time.monotonic() - began < 3
    damaged.daemon.kill()
    served = damaged.daemon.log.read_text().strip().splitlines()[-1]
    named = re.search(r"damaged at sequence (\d+)", served)
    assert named is not None, served
    assert "Traceback" not in damaged.daemon.log.read_text()
    if said[1]:
        assert named[1] == said[1]
    if wanted:
        assert int(named[1]) == wanted
    assert contents(damaged.daemon.data) == before


def test_a_second_daemon_on_the_directory_exits_within_two_seconds_and_says_who_holds_it(tmp_path: Path) -> None:
    """I28"""
    with running(tmp_path / "rig") as daemon:
        second = Daemon(tmp_path / "rig")
        began = time.monotonic()
        process = second.launch()
        code = process.wait(5)
        assert time.monotonic() - began < 2
        second.kill()
        assert code == 1
        said = daemon.log.read_text().strip().splitlines()[-1]
        assert f"process {daemon.pid}" in said
        assert str(daemon.data) in said
        assert post(daemon, 1).status == 200
        daemon.kill()
        daemon.start()  # a lock file that a killed daemon left holds nobody up
        assert post(daemon, 2).status == 200


# Disks that fail


def test_after_an_fsync_error_nothing_is_acknowledged_and_the_process_ends(
    tmp_path: Path, require: Callable[[str], str]
) -> None:
    """I25, I3: what the client could not know is settled by asking again with the same key."""
    with running(tmp_path / "rig") as daemon:
        assert post(daemon, 1).status == 200
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
        wrote = post(daemon, 1000)
        assert wrote.status == 200 or wrote.json["code"] == "log_corrupt", wrote.body
        assert daemon.stop() == 0
        daemon.start()
        assert post(daemon, 1001).status == 200
        assert daemon.stop() == 0
        assert daemon.rig("doctor").returncode == 0


def test_a_daemon_out_of_descriptors_waits_and_goes_on(tmp_path: Path, require: Callable[[str], str]) -> None:
    """F25: more connections than it may hold open must not make it spin."""
    with running(tmp_path / "rig") as daemon:
        assert post(daemon, 1).status == 200
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
                return post(daemon, 2).status == 200
            except OSError:  # the kernel's queue still holds connections that were given up
                return False

        until(taken, 10, "room for a connection")


def test_heartbeats_alone_do_not_grow_the_log_for_ever(tmp_path: Path) -> None:
    """S11"""
    with running(tmp_path / "rig") as daemon, Connection(daemon.url) as connection:
        post(daemon, 1)
        lease = connection.ask("POST", "/api/assignments/claim", {"agentId": "a"}).json["lease"]
        wal = daemon.data / "log.db-wal"

        def beat() -> int:
            for _ in range(100):
                body = {"agentId": "a", "fence": lease["fence"]}
                assert connection.ask("POST", f"/api/leases/{lease['id']}/heartbeat", body).status == 200
            return wal.stat().st_size

        first = beat()
        time.sleep(1.5)  # idle, so that it is checkpointed
        assert beat() <= first


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


# Ending


def test_sigterm_ends_open_streams_and_exits_with_0_within_ten_seconds(tmp_path: Path) -> None:
    """I32"""
    with running(tmp_path / "rig") as daemon:
        post(daemon, 1)
        streams = [EventStream(daemon.url, 0) for _ in range(20)]
        reading = [stream.frames() for stream in streams]
        for frames in reading:
            next(frames)
        process = daemon.process
        assert process is not None
        began = time.monotonic()
        os.kill(daemon.pid, signal.SIGTERM)
        for frames in reading:
            assert not [f.event for f in frames if f.event == "gap"]
        assert until(lambda: process.poll() is not None, 10, "the end") is True
        assert process.returncode == 0
        assert time.monotonic() - began < 10
        for stream in streams:
            stream.close()
        assert "Traceback" not in daemon.log.read_text()
        daemon.kill()
        assert daemon.rig("doctor").returncode == 0
