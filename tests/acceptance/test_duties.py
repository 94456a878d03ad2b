"""Rig's own duties on a real daemon: rounds at small intervals, over restarts, and while the wall clock is set (B7)."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import Daemon, running
from tests.servers.wallclock import WallClock

APP = {"repo": "acme/app"}
QUICK = """
[duties]
stale_interval_seconds = 1
stale_after_seconds = 3
stale_after_by_agent = { patient = 1000 }
reassign_after_seconds = 1000
orphan_interval_seconds = 1
orphan_after_seconds = 2
needs_human_after_seconds = 4
"""


def issue(daemon: Daemon, number: int) -> Any:
    rows = daemon.ask("GET", "/api/issues").json
    return next((row for row in rows if row["issueNumber"] == number), {})


def agent(daemon: Daemon, name: str) -> Any:
    return next((row for row in daemon.ask("GET", "/api/agents").json if row["id"] == name), {})


def types(daemon: Daemon, number: int) -> list[str]:
    trace = daemon.ask("GET", f"/api/issues/trace?repo=acme/app&issueNumber={number}").json
    return [event["type"] for event in trace["events"]]


@pytest.mark.rule("R0-63")
def test_a_silent_agent_is_stuck_and_what_it_held_is_queued_again_but_not_what_a_lease_holds(tmp_path: Path) -> None:
    config = QUICK.replace("orphan_after_seconds = 2", "orphan_after_seconds = 500").replace(
        "human_after_seconds = 4", "human_after_seconds = 900"
    )
    with running(tmp_path / "rig", config=config) as daemon:
        daemon.post(type="ISSUE_APPROVED", issueNumber=4, **APP)
        lease = daemon.ask("POST", "/api/assignments/claim", {"agentId": "leased", "leaseSeconds": 60}).json["lease"]
        for number, name in ((1, "silent"), (2, "loud"), (3, "patient")):
            daemon.post(type="HEARTBEAT", agentId=name, status="working")
            daemon.post(type="WORK_STARTED", issueNumber=number, agentId=name, **APP)

        def stuck() -> bool:
            daemon.post(type="HEARTBEAT", agentId="loud", status="working", currentIssue=2, currentRepo="acme/app")
            return bool(issue(daemon, 1)["state"] == "queued")

        daemon.wait_for(stuck)
        assert types(daemon, 1) == ["work_started", "agent_stuck"]
        assert issue(daemon, 1)["assignedAgent"] is None
        assert (agent(daemon, "silent")["status"], agent(daemon, "silent")["issuesFailed"]) == ("stuck", 1)
        assert [issue(daemon, n)["state"] for n in (2, 3, 4)] == ["in_progress", "in_progress", "assigned"]
        proof = {"agentId": "leased", "fence": lease["fence"]}
        assert daemon.ask("POST", f"/api/leases/{lease['id']}/heartbeat", proof).status == 200
        refused = daemon.ask("PATCH", "/api/v1/config/overlay", {"duties": {"stale_after_by_agent": {"silent": 0}}})
        assert refused.status == 422


@pytest.mark.rule("R0-58")
def test_what_a_dead_agent_never_began_is_given_to_another(tmp_path: Path) -> None:
    config = QUICK.replace("reassign_after_seconds = 1000", "reassign_after_seconds = 2").replace(
        "stale_after_seconds = 3", "stale_after_seconds = 900"
    )
    with running(tmp_path / "rig", config=config) as daemon:
        daemon.post(type="ISSUE_ASSIGNED", issueNumber=1, agentId="dead", **APP)
        daemon.post(type="WORK_STARTED", issueNumber=2, agentId="dead", **APP)
        claimed = daemon.ask("POST", "/api/assignments/claim?wait=20", {"agentId": "other"})
        assert claimed.json["streamId"] == "acme/app#1"
        assert types(daemon, 1)[:3] == ["issue_assigned", "issue_unassigned", "issue_assigned"]
        assert issue(daemon, 2)["state"] == "in_progress"
        assert daemon.ask("POST", "/api/assignments/claim", {"agentId": "dead"}).status == 204


@pytest.mark.rule("R0-64")
def test_an_issue_that_nobody_claims_is_an_orphan_then_leaves_the_queue_and_comes_back_approved(tmp_path: Path) -> None:
    with running(tmp_path / "rig", config=QUICK) as daemon:
        daemon.post(type="ISSUE_APPROVED", issueNumber=1, **APP)
        daemon.post(type="ISSUE_APPROVED", issueNumber=2, dependsOn=[9], **APP)
        daemon.wait_for(lambda: issue(daemon, 1)["orphanStatus"] == "orphan")
        assert [row["streamId"] for row in daemon.ask("GET", "/api/queue").json] == ["acme/app#1"]
        daemon.wait_for(lambda: issue(daemon, 1)["orphanStatus"] == "needs_human")
        assert types(daemon, 1) == ["issue_approved", "issue_orphaned", "issue_needs_human"]
        assert daemon.ask("GET", "/api/queue").json == []
        assert daemon.ask("POST", "/api/assignments/claim", {"agentId": "dev"}).status == 204
        assert issue(daemon, 2)["orphanStatus"] is None
        daemon.post(type="ISSUE_APPROVED", issueNumber=1, **APP)
        assert issue(daemon, 1)["orphanStatus"] is None
        assert daemon.ask("POST", "/api/assignments/claim", {"agentId": "dev"}).json["streamId"] == "acme/app#1"


@pytest.mark.rule("R0-34", "R0-63", "R0-64", "B7")
def test_the_wall_clock_may_jump_and_nobody_is_offline_stuck_or_an_orphan(
    tmp_path: Path, require: Callable[[str], str]
) -> None:
    """I10"""
    require("faketime")
    wall = WallClock(tmp_path)
    config = "[duties]\nstale_interval_seconds = 1\norphan_interval_seconds = 1\ndependency_interval_seconds = 1\n"
    with running(tmp_path / "rig", environ=wall.environ, config=config) as daemon:
        daemon.post(type="ISSUE_APPROVED", issueNumber=1, **APP)
        lease = daemon.ask("POST", "/api/assignments/claim", {"agentId": "leased", "leaseSeconds": 60}).json["lease"]
        daemon.post(type="ISSUE_APPROVED", issueNumber=2, **APP)
        daemon.post(type="HEARTBEAT", agentId="dev", status="working")
        daemon.post(type="ISSUE_ASSIGNED", issueNumber=3, agentId="dev", **APP)
        daemon.post(type="WORK_STARTED", issueNumber=4, agentId="dev", **APP)
        for jump in ("-2h", "+10d"):
            wall.jump(jump)
            time.sleep(2.5)  # two rounds of each duty
            assert agent(daemon, "dev")["isOnline"] is True
        daemon.kill()
        wall.jump("+20d")
        daemon.start()
        time.sleep(2.5)
        assert agent(daemon, "dev")["isOnline"] is False  # for all that Rig knows it was silent for days; it may come back
        daemon.post(type="HEARTBEAT", agentId="dev", status="working", currentIssue=4, currentRepo="acme/app")
        assert agent(daemon, "dev")["isOnline"] is True
        wall.jump("-2d")
        daemon.kill()
        daemon.start()
        time.sleep(1.5)
        assert agent(daemon, "dev")["isOnline"] is True
        proof = {"agentId": "leased", "fence": lease["fence"]}
        assert daemon.ask("POST", f"/api/leases/{lease['id']}/heartbeat", proof).status == 200
        assert [issue(daemon, n)["state"] for n in (1, 2, 3, 4)] == ["assigned", "queued", "assigned", "in_progress"]
        assert daemon.stop() == 0
        events = [json.loads(line) for line in daemon.rig("export").stdout.splitlines()]
        assert [e["at"] for e in events] == sorted(e["at"] for e in events)
        never = {
            "agent_stuck",
            "issue_unassigned",
            "issue_orphaned",
            "issue_needs_human",
            "lease_expired",
            "dependency_alarmed",
        }
        assert never & {e["type"] for e in events} == set()


@pytest.mark.rule("R0-63")
def test_rounds_go_on_after_a_restart_and_what_was_silent_before_counts(tmp_path: Path) -> None:
    config = QUICK.replace("stale_after_seconds = 3", "stale_after_seconds = 6")
    with running(tmp_path / "rig", config=config) as daemon:
        daemon.post(type="HEARTBEAT", agentId="silent", status="working")
        daemon.post(type="WORK_STARTED", issueNumber=1, agentId="silent", **APP)
        began = time.monotonic()
        time.sleep(1.2)
        daemon.kill()
        daemon.start()
        daemon.wait_for(lambda: issue(daemon, 1)["state"] == "queued")
        assert 6 < time.monotonic() - began < 15


CHECKER = """
from pathlib import Path

from rig import CheckResult, hookimpl


class Checker:
    name, critical = "forge", False

    async def check(self, context):
        broken = (Path(__file__).parent / "broken").exists()
        return CheckResult("Unreachable", "http 502") if broken else CheckResult("Ok")


@hookimpl
def rig_register_health_checkers(context):
    return [Checker()]
"""


@pytest.mark.rule("R0-65")
def test_a_dependency_that_stays_broken_is_told_in_the_log_and_so_is_its_recovery(tmp_path: Path) -> None:
    config = "[duties]\ndependency_interval_seconds = 1\ndependency_span_seconds = 2\n"
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "forge.py").write_text(CHECKER)
    broken = tmp_path / "plugins" / "broken"
    broken.touch()
    with running(tmp_path / "rig", config=config, arguments=("--plugins-dir", str(tmp_path / "plugins"))) as daemon:

        def told(type_: str) -> Any:
            events = daemon.ask("GET", "/api/events/stream?id=daemon").json
            return [e["data"] for e in events if e["type"] == type_]

        daemon.wait_for(lambda: told("DependencyAlarmed"))
        broken.unlink()
        daemon.wait_for(lambda: told("DependencyRecovered"))
        (alarm,) = told("DependencyAlarmed")
        assert (alarm["name"], alarm["reason"], alarm["looks"] >= 3) == ("forge", "http 502", True)
        assert [r["name"] for r in told("DependencyRecovered")] == ["forge"]
