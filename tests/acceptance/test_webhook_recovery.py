"""Killed between its answer and the effect: nothing of a webhook is lost, and nothing happens twice (C6, I1, I3)."""

import json
from pathlib import Path

import pytest

from tests.acceptance.daemon import Daemon, running
from tests.plugins.signing import hexed

FLAKY = """
import json
from pathlib import Path

from rig import BadSignature, Identity, Mapped, hookimpl
from rig.signatures import mac, matches

WELL = Path(__file__).with_name("well")


class Flaky:
    type = "flaky"

    def verify(self, delivery, secrets):
        if not matches(delivery.header("x-signature") or "", [mac(s, delivery.body).hex() for s in secrets]):
            raise BadSignature

    def identify(self, delivery):
        return Identity(delivery.header("x-id") or "", "sent")

    def normalize(self, delivery, settings):
        if not WELL.exists():
            raise ValueError("not yet")
        return Mapped((json.loads(delivery.body),))


@hookimpl
def rig_register_webhook_sources(context):
    return [Flaky()]
"""
CONFIG = """
[webhooks]
retry_seconds = 1

[[webhook_sources]]
name = "flaky"
type = "flaky"
secret = "s3cret"
"""


def body(number: int) -> bytes:
    return json.dumps({"type": "ISSUE_APPROVED", "identifier": f"ENG-{number}"}).encode()


def send(daemon: Daemon, number: int) -> dict[str, object]:
    given = body(number)
    headers = {"X-Signature": hexed("s3cret", given), "X-Id": f"d-{number}"}
    answer = daemon.ask("POST", "/api/webhooks/flaky", given, headers=headers)
    assert answer.status == 200, answer.json
    found: dict[str, object] = answer.json
    return found


def effects(daemon: Daemon, number: int) -> list[str]:
    return [e["type"] for e in daemon.ask("GET", f"/api/events/stream?id=ENG-{number}").json]


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "flaky.py").write_text(FLAKY)
    return folder


def test_a_daemon_killed_after_its_answer_causes_the_effect_once_when_it_is_back(tmp_path: Path, plugins: Path) -> None:
    with running(tmp_path / "daemon", config=CONFIG, arguments=("--plugins-dir", str(plugins))) as daemon:
        assert send(daemon, 1)["state"] == "retry"
        daemon.kill()
        (plugins / "well").touch()
        daemon.start()
        assert daemon.wait_for(lambda: effects_if_any(daemon, 1)) == ["IssueApproved"]
        row = daemon.ask("GET", "/api/webhook-deliveries/d-1").json
        assert (row["state"], row["matched"], row["error"]) == ("accepted", 1, None)
        assert send(daemon, 1)["duplicate"]
        daemon.kill()
        daemon.start()
        assert send(daemon, 1)["duplicate"]
        assert effects(daemon, 1) == ["IssueApproved"]
        assert daemon.rig("rebuild", "--check").returncode == 0


def effects_if_any(daemon: Daemon, number: int) -> list[str]:
    answer = daemon.ask("GET", f"/api/events/stream?id=ENG-{number}")
    return [e["type"] for e in answer.json] if answer.status == 200 else []


def test_what_was_answered_is_there_after_a_kill_wherever_it_comes(tmp_path: Path, plugins: Path) -> None:
    (plugins / "well").touch()
    with running(tmp_path / "daemon", config=CONFIG, arguments=("--plugins-dir", str(plugins))) as daemon:
        for number in range(1, 4):
            assert send(daemon, number)["matched"] == 1
            daemon.kill()
            daemon.start()
            assert send(daemon, number)["duplicate"]
            assert effects(daemon, number) == ["IssueApproved"]
            assert daemon.ask("POST", f"/api/webhook-deliveries/d-{number}/replay").json["matched"] == 0
