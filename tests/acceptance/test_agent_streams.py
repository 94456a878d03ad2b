"""Assignments that are pushed to an agent: what the streams say of them, and who gets them, on a real daemon."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import Daemon, running

APP = {"repo": "acme/app"}


def stream(daemon: Daemon, agent: str = "dev") -> Any:
    return daemon.ask("GET", "/api/streams").json.get(agent)


def push(daemon: Daemon, number: int, agent: str = "dev") -> None:
    assert daemon.post(type="ISSUE_ASSIGNED", issueNumber=number, agentId=agent, **APP).status == 200


def claim(daemon: Daemon, agent: str = "dev", wait: int = 0) -> Any:
    answer = daemon.ask("POST", f"/api/assignments/claim?wait={wait}", {"agentId": agent})
    return answer.json if answer.status == 200 else None


@pytest.mark.rule("R0-54", "R0-55", "R0-57", "B8")
def test_three_assignments_wait_are_claimed_and_acknowledged_and_a_killed_daemon_knows_them(tmp_path: Path) -> None:
    with running(tmp_path / "rig") as daemon:
        assert daemon.ask("GET", "/api/streams").json == {}
        for number in (1, 2, 3):
            push(daemon, number)
        assert stream(daemon) == {"xlen": 3, "groups": {}}
        first = claim(daemon)
        assert (first["streamId"], first["lease"]["fence"]) == ("acme/app#1", 1)
        assert stream(daemon) == {"xlen": 3, "groups": {"agents": {"lag": 2, "pending": 1}}}
        proof = {"agentId": "dev", "leaseId": first["lease"]["id"], "fence": 1}
        assert daemon.post(type="WORK_STARTED", issueNumber=1, **proof, **APP).status == 200
        assert stream(daemon) == {"xlen": 3, "groups": {"agents": {"lag": 2, "pending": 0}}}
        second = claim(daemon)
        daemon.kill()
        daemon.start()
        assert stream(daemon) == {"xlen": 3, "groups": {"agents": {"lag": 1, "pending": 1}}}
        body = {"agentId": "dev", "fence": second["lease"]["fence"], "reason": "not mine"}
        assert daemon.ask("POST", f"/api/leases/{second['lease']['id']}/fail", body).status == 200
        assert stream(daemon) == {"xlen": 3, "groups": {"agents": {"lag": 1, "pending": 0}}}
        assert claim(daemon)["streamId"] == "acme/app#3"
        assert stream(daemon) == {"xlen": 3, "groups": {"agents": {"lag": 0, "pending": 1}}}
        assert claim(daemon) is None
        table = daemon.rig("agent", "streams").stdout.split("\n")
        assert [line.split() for line in table[:2]] == [["AGENT", "ENTRIES", "LAG", "PENDING"], ["dev", "3", "0", "1"]]
        assert daemon.stop() == 0
        rebuilt = daemon.rig("rebuild", "--check")
        assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr


@pytest.mark.rule("R0-28", "R0-29")
def test_next_shows_what_a_claim_will_give_and_a_waiting_claim_is_woken_by_a_push(tmp_path: Path) -> None:
    with running(tmp_path / "rig") as daemon:
        daemon.post(type="ISSUE_APPROVED", issueNumber=1, priority="critical", **APP)
        push(daemon, 2)
        for agent, issue in (("dev", "acme/app#2"), ("other", "acme/app#1")):
            looked = daemon.ask("GET", f"/api/assignments/next?agentId={agent}").json
            assert looked["streamId"] == issue
            assert claim(daemon, agent)["streamId"] == issue
        got: list[Any] = []
        waiting = threading.Thread(target=lambda: got.append(claim(daemon, wait=20)))
        waiting.start()
        time.sleep(0.3)
        began = time.monotonic()
        push(daemon, 9)
        waiting.join(20)
        assert got[0]["streamId"] == "acme/app#9"
        assert time.monotonic() - began < 5


def test_a_slot_of_the_daemon_takes_what_was_assigned_to_it(tmp_path: Path) -> None:
    config = '[dispatch]\nenabled = true\nprovider = "command"\n[workspace]\nstrategy = "directory"\n[providers.command]\ncommand = "true"\n'
    with running(tmp_path / "rig", config=config) as daemon:
        push(daemon, 7, "rig-3")
        daemon.wait_for(lambda: daemon.ask("GET", "/api/issues").json[0]["state"] == "in_review")
        (job,) = daemon.ask("GET", "/api/jobs").json["jobs"]
        assert (job["issueId"], job["agentRole"]) == ("acme/app#7", "rig-3")
        assert stream(daemon, "rig-3") == {"xlen": 1, "groups": {"agents": {"lag": 0, "pending": 0}}}
