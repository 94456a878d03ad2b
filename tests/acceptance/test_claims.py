"""The queue is handed out once, in order, to as many as ask (I8), and a lease that has ended may nothing more (I9)."""

import json
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.acceptance.daemon import Daemon, running
from tests.acceptance.wire import Connection, EventStream
from tests.servers.wallclock import WallClock

ISSUES, CLAIMERS = 200, 40


def test_forty_claimers_get_two_hundred_distinct_leases_in_queue_order_and_then_204(tmp_path: Path) -> None:
    """I8"""
    ranks = random.Random(6).choices(["critical", "high", "normal", "low"], k=ISSUES)
    with running(tmp_path / "rig") as daemon:
        events = [
            {"type": "ISSUE_APPROVED", "repo": "acme/app", "issueNumber": n, "priority": rank}
            for n, rank in enumerate(ranks, start=1)
        ]
        assert all("error" not in result for result in daemon.ask("POST", "/api/events/batch", events).json)
        queue = [row["streamId"] for row in daemon.ask("GET", f"/api/queue?limit={ISSUES}").json]
        ranked = sorted(range(ISSUES), key=lambda i: (["critical", "high", "normal", "low"].index(ranks[i]), i))
        assert queue == [f"acme/app#{i + 1}" for i in ranked]
        got, empty = claimed_by_all(daemon)
        assert len(got) == ISSUES
        assert len({c["lease"]["id"] for c in got}) == len({c["streamId"] for c in got}) == ISSUES
        assert empty == CLAIMERS
        assert handed_out(daemon) == queue
        assert daemon.ask("GET", "/api/queue").json == []


def claimed_by_all(daemon: Daemon) -> tuple[list[dict[str, Any]], int]:
    """(claims, how many claimers were told 204 in the end); all start at once."""
    got: list[dict[str, Any]] = []
    ends: list[int] = []
    start = threading.Barrier(CLAIMERS)

    def claim(agent: int) -> None:
        with Connection(daemon.url) as connection:
            start.wait(20)
            for _ in range(ISSUES + 1):
                answer = connection.ask("POST", "/api/assignments/claim", {"agentId": f"agent-{agent}"})
                if answer.status != 200:
                    ends.append(answer.status)
                    return
                got.append(answer.json)

    threads = [threading.Thread(target=claim, args=(n,)) for n in range(CLAIMERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return got, ends.count(204)


def handed_out(daemon: Daemon) -> list[str]:
    """The issues in the order in which the log says that they were assigned."""
    found: list[str] = []
    with EventStream(daemon.url, query="?since=0&topics=issue_assigned") as stream:
        for frame in stream.frames():
            found.append(frame.data["streamId"])
            if len(found) == ISSUES:
                break
    return found


def test_a_stale_fence_is_refused_everywhere_and_stores_nothing(tmp_path: Path) -> None:
    """I9"""
    with running(tmp_path / "rig") as daemon:
        daemon.post(type="ISSUE_APPROVED", repo="acme/app", issueNumber=1)
        first = daemon.ask("POST", "/api/assignments/claim", {"agentId": "a"}).json["lease"]
        daemon.post(type="ISSUE_UNASSIGNED", repo="acme/app", issueNumber=1)
        second = daemon.ask("POST", "/api/assignments/claim", {"agentId": "b"}).json["lease"]
        assert second["fence"] > first["fence"]
        before = daemon.ask("GET", "/api/issues").headers["X-Rig-As-Of"]
        proof = {"agentId": "a", "fence": first["fence"]}
        started = {"type": "WORK_STARTED", "repo": "acme/app", "issueNumber": 1, "leaseId": first["id"], **proof}
        for path, body in [
            *((f"/api/leases/{first['id']}/{what}", proof) for what in ("heartbeat", "complete", "fail")),
            *((f"/api/leases/{second['id']}/{what}", proof) for what in ("heartbeat", "complete", "fail")),
            ("/api/events", started),
            ("/api/events", started | {"type": "ISSUE_DONE"}),
            ("/api/events", started | {"leaseId": second["id"]}),
        ]:
            answer = daemon.ask("POST", path, body)
            assert (answer.status, answer.json["code"]) == (409, "stale_lease"), (path, body, answer.body)
        batch = daemon.ask("POST", "/api/events/batch", [started, started | {"type": "ISSUE_DONE"}])
        assert (batch.status, [r["code"] for r in batch.json]) == (200, ["stale_lease"] * 2)
        assert daemon.ask("GET", "/api/issues").headers["X-Rig-As-Of"] == before
        live = {"agentId": "b", "fence": second["fence"]}
        assert daemon.ask("POST", f"/api/leases/{second['id']}/heartbeat", live).status == 200
        assert daemon.ask("POST", "/api/events", started | live | {"leaseId": second["id"]}).status == 200
        assert daemon.ask("POST", f"/api/leases/{second['id']}/complete", live).json["state"] == "in_review"
        trace = json.dumps(daemon.ask("GET", "/api/issues/trace?repo=acme/app&issueNumber=1").json)
        assert '"done"' not in trace


def test_the_wall_clock_may_jump_and_no_lease_ends_and_the_order_stays(tmp_path: Path, require: Callable[[str], str]) -> None:
    """I10, F10"""
    require("faketime")
    wall = WallClock(tmp_path)
    with running(tmp_path / "rig", environ=wall.environ) as daemon:
        daemon.post(type="ISSUE_APPROVED", repo="acme/app", issueNumber=1)
        lease = daemon.ask("POST", "/api/assignments/claim", {"agentId": "a", "leaseSeconds": 30}).json["lease"]
        proof = {"agentId": "a", "fence": lease["fence"]}
        for number, jump in enumerate(("+10d", "-2h", "+70y"), start=2):
            wall.jump(jump)
            time.sleep(0.3)
            beat = daemon.ask("POST", f"/api/leases/{lease['id']}/heartbeat", proof)
            assert beat.status == 200, (jump, beat.body)
            assert daemon.post(type="ISSUE_APPROVED", repo="acme/app", issueNumber=number).status == 200
        wall.jump("-2d")
        daemon.kill()
        daemon.start()  # into the past: the log's own time is the floor
        assert daemon.ask("POST", f"/api/leases/{lease['id']}/heartbeat", proof).status == 200
        assert daemon.post(type="ISSUE_APPROVED", repo="acme/app", issueNumber=99).status == 200
        assert daemon.stop() == 0
        events = [json.loads(line) for line in daemon.rig("export").stdout.splitlines()]
        assert [e["at"] for e in events] == sorted(e["at"] for e in events)
        assert "issue_unassigned" not in {e["type"] for e in events}
        assert "lease_expired" not in {e["type"] for e in events}
        assert daemon.rig("doctor").returncode == 0
