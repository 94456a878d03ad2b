"""A real daemon on a real PostgreSQL: work survives kills of either, and the offline commands read the same store."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.daemon import Daemon, running
from tests.servers.postgres import PostgresServer

SECRET = "hunter2-hunter2"


@pytest.fixture
def url(postgres_url: str) -> str:
    return postgres_url.replace("rig@", f"rig:{SECRET}@")


def post_claim_complete(daemon: Daemon) -> None:
    for number in (1, 2, 3):
        assert daemon.post(type="ISSUE_APPROVED", repo="acme/app", issueNumber=number, title=f"ä {number}").status == 200
    assert daemon.post(type="WORK_STARTED", repo="acme/app", issueNumber=1, agentId="a-1").status == 200
    assert daemon.post(type="ISSUE_DONE", repo="acme/app", issueNumber=1, agentId="a-1").status == 200


def states(daemon: Daemon) -> dict[str, str]:
    found = daemon.ask("GET", "/api/issues").json
    rows = found if isinstance(found, list) else next(v for v in found.values() if isinstance(v, list))
    return {row["streamId"]: row["state"] for row in rows}


def test_everything_is_there_after_a_kill(tmp_path: Path, url: str) -> None:
    """I1"""
    with running(tmp_path, arguments=["--store", url]) as daemon:
        post_claim_complete(daemon)
        claimed = daemon.ask("POST", "/api/assignments/claim", {"agentId": "a-2"})
        assert claimed.status == 200, claimed.body
        before = states(daemon)
        daemon.kill()
        daemon.start()
        assert states(daemon) == before
        assert before["acme/app#1"] == "done"
        assert before["acme/app#3"] == "queued"
        assert before["acme/app#2"] not in ("done", "queued")
        assert daemon.ready_seconds < 10


def test_the_server_restarts_and_the_daemon_serves_on(tmp_path: Path, url: str, postgres_server: PostgresServer) -> None:
    """I26"""
    with running(tmp_path, arguments=["--store", url]) as daemon:
        assert daemon.post(type="ISSUE_APPROVED", repo="acme/app", issueNumber=1).status == 200
        postgres_server.stop("immediate")
        try:
            refused = daemon.post(type="ISSUE_APPROVED", repo="acme/app", issueNumber=2)
            assert (refused.status, refused.json["code"]) == (503, "storage_unavailable")
            assert refused.headers["Retry-After"]
            assert daemon.ask("GET", "/api/issues").status == 503
        finally:
            postgres_server.start()
        daemon.wait_for(lambda: daemon.post(type="ISSUE_APPROVED", repo="acme/app", issueNumber=2).status == 200, 5)
        assert list(states(daemon).values()) == ["queued", "queued"]


def test_a_second_daemon_says_who_serves_and_ends(tmp_path: Path, url: str) -> None:
    """I28"""
    with running(tmp_path / "one", arguments=["--store", url]) as daemon:
        second = Daemon(tmp_path / "two", arguments=["--store", url])
        process = second.launch()
        assert process.wait(10) == 1
        assert f"process {daemon.pid}" in second.log.read_text()
        second._close()


def test_the_offline_commands_read_the_store_of_a_running_daemon(tmp_path: Path, url: str) -> None:
    with running(tmp_path, arguments=["--store", url]) as daemon:
        post_claim_complete(daemon)
        doctor = daemon.rig("doctor", "--store", url)
        assert doctor.returncode == 0, doctor.stdout
        assert "every hash follows" in doctor.stdout
        checked = daemon.rig("rebuild", "--check", "--store", url)
        assert (checked.returncode, checked.stdout.splitlines()[-1]) == (0, "every read model is what the log says")
        exported = [json.loads(line) for line in daemon.rig("export", "--store", url).stdout.splitlines()]
        assert [line["position"] for line in exported] == list(range(1, len(exported) + 1))
        then = daemon.rig("rebuild", "--until", "2", "--into", str(tmp_path / "then"), "--store", url)
        assert then.returncode == 0, then.stderr
        refused = daemon.rig("rebuild", "--store", url)
        assert refused.returncode == 1
        assert "in use by" in refused.stderr
        backup = daemon.rig("backup", str(tmp_path / "copy"), "--store", url)
        assert backup.returncode == 78
        assert "pg_dump" in backup.stderr
        daemon.stop()
        assert daemon.rig("rebuild", "--store", url).returncode == 0
        assert "every hash follows" in daemon.rig("doctor", "--store", url).stdout


def test_the_password_of_the_url_is_shown_nowhere(tmp_path: Path, url: str) -> None:
    """I21"""
    with running(tmp_path, environ={"RIG__STORE__URL": url}) as daemon:
        shown = daemon.ask("GET", "/api/v1/config")
        assert shown.json["config"]["store"]["url"] == url.replace(SECRET, "********")
        said = [
            shown.body.decode(),
            daemon.log.read_text(),
            *(
                subprocess.run(
                    [sys.executable, "-m", "rig.cli", *command, "--data-dir", str(daemon.data)],
                    env={"PATH": "/usr/bin:/bin", "RIG__STORE__URL": url},
                    capture_output=True,
                    text=True,
                    check=False,
                ).stdout
                for command in (["doctor"], ["rebuild", "--check"])
            ),
        ]
        assert not any(SECRET in text for text in said)
        second = Daemon(tmp_path / "two", environ={"RIG__STORE__URL": url})
        assert second.launch().wait(10) == 1
        second._close()
        assert SECRET not in second.log.read_text()
