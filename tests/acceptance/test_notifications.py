"""Notifications of a real daemon: at least once through kill -9, with one id; secrets; a process of its own."""

import base64
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import Daemon, running
from tests.standins.receiver import Got, Receiver, Reply

SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()


def config(url: str, isolate: str = "") -> str:
    return f'[plugins.notify]\nurl = "{url}/in"\nsecret = "{SECRET}"\nkinds = ["done"]\nisolate = "{isolate}"\n'


def dependency(daemon: Daemon, name: str) -> Any:
    rows = daemon.ask("GET", "/healthz/deep").json["dependencies"]
    return next((row for row in rows if row["name"] == name), None)


def done(daemon: Daemon, number: int) -> None:
    """An issue comes, and is done."""
    for type_ in ("ISSUE_APPROVED", "ISSUE_DONE"):
        assert daemon.post(type=type_, repo="acme/app", issueNumber=number).status in (200, 201)


def test_killed_between_sending_and_remembering_it_sends_again_with_the_same_id(tmp_path: Path) -> None:
    held = threading.Event()

    def reply(got: Got) -> Reply:
        if len(receiver.got) == 1:
            held.wait(20)  # the daemon is killed while it waits for this answer
        return 200, {}

    with Receiver(reply=reply) as receiver, running(tmp_path / "d", config=config(receiver.url)) as daemon:
        daemon.wait_for(lambda: dependency(daemon, "webhook"))
        daemon.post(type="ISSUE_NEEDS_HUMAN", repo="acme/app", issueNumber=7)
        done(daemon, 8)
        daemon.wait_for(lambda: receiver.got)
        daemon.kill()
        held.set()
        daemon.start()
        daemon.wait_for(lambda: len(receiver.got) == 2)
        done(daemon, 9)
        daemon.wait_for(lambda: len(receiver.got) == 3)
        ids = [got.headers["webhook-id"] for got in receiver.got]
        assert ids[0] == ids[1] != ids[2]
        assert [got.json["data"]["issue"] for got in receiver.got] == ["acme/app#8", "acme/app#8", "acme/app#9"]


@pytest.mark.rule("R0-12")
@pytest.mark.parametrize("isolate", ["", "process"])
def test_a_notifier_that_fails_degrades_health_under_its_own_name_and_recovers(tmp_path: Path, isolate: str) -> None:
    def reply(got: Got) -> Reply:
        return (503, {"Retry-After": "1"}) if len(receiver.got) == 1 else (200, {})

    with Receiver(reply=reply) as receiver, running(tmp_path / "d", config=config(receiver.url, isolate)) as daemon:
        row = daemon.wait_for(lambda: dependency(daemon, "webhook"))
        assert (row["status"], row["critical"]) == ("Ok", False)
        done(daemon, 8)
        row = daemon.wait_for(lambda: (d := dependency(daemon, "webhook"))["status"] == "Degraded" and d)
        assert row["reason"] == "http 503"
        assert daemon.ask("GET", "/healthz/deep").status == 200
        daemon.wait_for(lambda: dependency(daemon, "webhook")["status"] == "Ok")
        (plugin,) = [p for p in daemon.ask("GET", "/api/v1/plugins").json if p["name"] == "notify"]
        assert (plugin["state"], plugin["strikes"]) == ("enabled", 0)


def test_its_address_may_be_a_secret_and_one_that_is_missing_is_named(tmp_path: Path) -> None:
    with Receiver() as receiver, running(tmp_path / "d", config='[plugins.slack]\nurl = "$SECRET:SLACK_URL"\n') as daemon:
        (plugin,) = [p for p in daemon.ask("GET", "/api/v1/plugins").json if p["name"] == "slack"]
        assert (plugin["state"], plugin["last_error"]) == ("config_error", "there is no secret SLACK_URL")
        (tmp_path / "d" / "value").write_text(f"{receiver.url}/services/hidden")
        command = [sys.executable, "-m", "rig.cli", "secret", "set", "SLACK_URL", "--data-dir", str(daemon.data)]
        with (tmp_path / "d" / "value").open() as value:
            subprocess.run(command, stdin=value, check=True, capture_output=True, timeout=60)
        daemon.stop()
        daemon.start()
        daemon.wait_for(lambda: dependency(daemon, "slack"))
        done(daemon, 8)
        daemon.wait_for(lambda: receiver.got)
        assert receiver.got[0].path == "/services/hidden"
        shown = daemon.ask("GET", "/api/v1/config").body + daemon.ask("GET", "/api/v1/plugins").body
        assert b"hidden" not in shown
        assert "hidden" not in daemon.log.read_text()
