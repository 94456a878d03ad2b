"""What an acknowledgement means, who holds a data directory, and how the daemon ends (I1, I28, I32)."""

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.acceptance.daemon import Daemon, running
from tests.acceptance.wire import Connection, EventStream, until

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
        assert daemon.approve(1).status == 200
        daemon.kill()
        daemon.start()  # a lock file that a killed daemon left holds nobody up
        assert daemon.approve(2).status == 200


def test_heartbeats_alone_do_not_grow_the_log_for_ever(tmp_path: Path) -> None:
    """S11"""
    with running(tmp_path / "rig") as daemon, Connection(daemon.url) as connection:
        daemon.approve(1)
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


def test_sigterm_ends_open_streams_and_exits_with_0_within_ten_seconds(tmp_path: Path) -> None:
    """I32"""
    with running(tmp_path / "rig") as daemon:
        daemon.approve(1)
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
