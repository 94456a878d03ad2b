"""Trackers of a real daemon: a file becomes work and is done; nothing is lost or done twice when the daemon is killed."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import Daemon, running
from tests.plugins.signing import hexed
from tests.standins.github import GitHub
from tests.standins.linear import Linear

BOARD = """
[tracker]
poll_interval_ms = 200

[plugins.files]
folder = "{folder}"
isolate = "{isolate}"
"""
WORK = """
[dispatch]
enabled = true
provider = "mock"
success_state = "done"

[workspace]
strategy = "directory"
"""


def types(daemon: Daemon, id: str) -> list[str]:
    answer = daemon.ask("GET", f"/api/events/stream?id={id}")
    return [e["type"] for e in answer.json] if answer.status == 200 else []


def health(daemon: Daemon, name: str) -> Any:
    rows = daemon.ask("GET", "/healthz/deep").json["dependencies"]
    return next((row for row in rows if row["name"] == name), None)


@pytest.fixture
def board(tmp_path: Path) -> Path:
    folder = tmp_path / "board"
    folder.mkdir()
    return folder


def test_a_file_that_is_dropped_in_the_board_is_queued_and_run_and_stays_done(tmp_path: Path, board: Path) -> None:
    with running(tmp_path / "d", config=BOARD.format(folder=board, isolate="") + WORK) as daemon:
        daemon.wait_for(lambda: health(daemon, "tracker:files"))
        (board / "1-say-hello.md").write_text("---\npriority: high\n---\n# Say hello\n\nTo everyone.\n")
        daemon.wait_for(lambda: "WorkCompleted" in types(daemon, "TASK-1"), 60)
        (issue,) = daemon.ask("GET", "/api/issues").json
        assert (issue["state"], issue["title"], issue["priority"]) == ("done", "Say hello", "high")
        polls = daemon.ask("GET", "/api/v1/plugins").json
        calls = next(p for p in polls if p["name"] == "files")["calls"]
        daemon.wait_for(
            lambda: next(p for p in daemon.ask("GET", "/api/v1/plugins").json if p["name"] == "files")["calls"] > calls + 2
        )
        assert types(daemon, "TASK-1").count("IssueApproved") == 1


@pytest.mark.parametrize("isolate", ["", "process"])
def test_files_are_edited_reported_closed_and_reopened(tmp_path: Path, board: Path, isolate: str) -> None:
    file = board / "ENG-7.md"
    file.write_text("# One\n")
    with running(tmp_path / "d", config=BOARD.format(folder=board, isolate=isolate)) as daemon:
        daemon.wait_for(lambda: types(daemon, "ENG-7") == ["IssueApproved"])
        file.write_text("# Two\n")
        daemon.wait_for(lambda: types(daemon, "ENG-7")[-1] == "IssueEdited")
        file.write_text("---\nstate: [\n---\n")
        row = daemon.wait_for(lambda: (d := health(daemon, "tracker:files"))["status"] == "Degraded" and d)
        assert (row["critical"], row["reason"].startswith("ENG-7.md, line 3: ")) == (False, True), row
        file.write_text("---\nstate: done\n---\n# Two\n")
        daemon.wait_for(lambda: types(daemon, "ENG-7")[-1] == "IssueDone")
        daemon.wait_for(lambda: health(daemon, "tracker:files")["status"] == "Ok")
        file.write_text("---\nstate: todo\n---\n# Two\n")
        daemon.wait_for(lambda: types(daemon, "ENG-7")[-1] == "IssueApproved")
        file.unlink()
        daemon.wait_for(lambda: types(daemon, "ENG-7")[-1] == "IssueCancelled")
        (plugin,) = [p for p in daemon.ask("GET", "/api/v1/plugins").json if p["name"] == "files"]
        assert (plugin["state"], plugin["hooks"], plugin["strikes"]) == ("enabled", ["rig_register_trackers"], 0)
        assert daemon.rig("rebuild", "--check").returncode == 0


def test_a_refresh_polls_at_once_and_why_says_what_is_not_queued(tmp_path: Path, board: Path) -> None:
    config = BOARD.format(folder=board, isolate="").replace("200", "3600000") + WORK
    with running(
        tmp_path / "d", config=config.replace("[plugins.files]", 'required_labels = ["agent"]\n[plugins.files]')
    ) as daemon:
        daemon.wait_for(lambda: daemon.ask("GET", "/api/v1/trackers").json[0]["polled_at"])
        (board / "1.md").write_text("# No label\n")
        (board / "2.md").write_text("---\nlabels: [Agent]\n---\n")
        (board / "3.md").write_text("---\n")
        answer = daemon.ask("POST", "/api/v1/refresh")
        assert (answer.status, answer.json["queued"], answer.json["operations"]) == (202, True, ["poll", "reconcile"])
        daemon.wait_for(lambda: types(daemon, "TASK-2"))
        (row,) = daemon.ask("GET", "/api/v1/trackers").json
        assert (row["name"], row["state"], row["faults"]) == (
            *("files", "degraded", {"TASK-3": "3.md, line 1: the front matter has no closing ---"}),
        )
        why = daemon.ask("GET", "/api/v1/why/TASK-1").json
        assert [r["text"] for r in why["reasons"]] == ["files lists it, and it lacks the label agent"]
        assert daemon.ask("GET", "/api/v1/why/TASK-9").status == 404


def test_without_a_tracker_there_is_nothing_to_refresh(tmp_path: Path) -> None:
    with running(tmp_path / "d") as daemon:
        answer = daemon.ask("POST", "/api/v1/refresh")
        assert (answer.status, daemon.ask("GET", "/api/v1/trackers").json) == (503, [])


def test_a_daemon_killed_at_any_moment_of_polling_queues_each_file_once(tmp_path: Path, board: Path) -> None:
    with running(tmp_path / "d", config=BOARD.format(folder=board, isolate="")) as daemon:
        for round in range(4):
            for n in range(1, 60):
                (board / f"{100 * (round + 1) + n}.md").write_text(f"# {n}\n")
            before = count(daemon)
            daemon.wait_for(lambda b=before: count(daemon) > b)  # in the midst of the units of one page
            daemon.kill()
            daemon.start()
        daemon.wait_for(lambda: count(daemon) == 4 * 59)
        issues = [row["identifier"] for row in daemon.ask("GET", "/api/issues?limit=500").json]
        assert {id: types(daemon, id) for id in issues} == {id: ["IssueApproved"] for id in issues}


def count(daemon: Daemon) -> int:
    return len(daemon.ask("GET", "/api/issues?limit=500").json)


GITHUB = """
[tracker]
poll_interval_ms = 200

[plugins.github]
api_url = "{url}"
repositories = ["acme/app"]
token = "t0ken"
reserve = 1

[[webhook_sources]]
name = "github"
type = "github"
secret = "s3cret"
"""


def deliver(daemon: Daemon, github: GitHub, number: int, action: str, id: str) -> None:
    """The webhook of what GitHub shows."""
    payload = {
        "action": action,
        "issue": github.issues["acme/app"][number],
        "repository": {"full_name": "acme/app", "id": 1},
        "sender": {"id": 1},
    }
    body = json.dumps(payload).encode()
    headers = {
        "X-Hub-Signature-256": "sha256=" + hexed("s3cret", body),
        "X-GitHub-Event": "issues",
        "X-GitHub-Delivery": id,
    }
    answer = daemon.ask("POST", "/api/webhooks/github", body, headers=headers)
    assert answer.status == 200, answer.json


def polled(daemon: Daemon, github: GitHub) -> None:
    """Two whole polls have begun since now: what is there has been seen."""
    count = len(github.asked)
    daemon.wait_for(lambda: len(github.asked) > count + 2)


ISSUE = "acme%2Fapp%231"


def test_issues_of_github_by_webhook_and_by_poll_are_one(tmp_path: Path) -> None:
    with GitHub("acme/app") as github, running(tmp_path / "d", config=GITHUB.format(url=github.url)) as daemon:
        daemon.wait_for(lambda: health(daemon, "tracker:github"))
        with github.lock:  # no poll sees it before its webhook
            github.put("acme/app", 1, title="One")
            deliver(daemon, github, 1, "opened", "d-1")
        polled(daemon, github)
        github.put("acme/app", 1, title="Two")  # GitHub's webhook for this is lost
        daemon.wait_for(lambda: types(daemon, ISSUE) == ["IssueApproved", "IssueEdited"])
        with github.lock:
            github.put("acme/app", 1, state="closed", state_reason="completed")
            deliver(daemon, github, 1, "closed", "d-2")
        polled(daemon, github)
        github.put("acme/app", 1, state="open")
        daemon.wait_for(lambda: len(types(daemon, ISSUE)) > 3)
        deliver(daemon, github, 1, "reopened", "d-3")  # late
        polled(daemon, github)
        assert types(daemon, ISSUE) == ["IssueApproved", "IssueEdited", "IssueDone", "IssueApproved"]
        daemon.post(type="ISSUE_DONE", repo="acme/app", issueNumber=1)
        deliver(daemon, github, 1, "reopened", "d-4")  # and later still
        assert types(daemon, ISSUE)[-2:] == ["IssueApproved", "IssueDone"]
        (late,) = daemon.ask("GET", "/api/webhook-deliveries?limit=1").json
        assert (late["id"], late["ignored"]) == ("d-4", "a poll has queued it already")
        deliver(daemon, github, 1, "labeled", "d-5")  # a maintainer's wish counts in any case
        assert types(daemon, ISSUE)[-1] == "IssueApproved"
        github.put("acme/app", 1, state="closed", state_reason="not_planned")
        daemon.wait_for(lambda: types(daemon, ISSUE)[-1] == "IssueCancelled")
        assert github.tokens == {"", "token t0ken"}  # deep health asks without one
        assert b"t0ken" not in daemon.ask("GET", "/api/v1/config").body
        daemon.wait_for(lambda: github.asked[-1][1] == 304)
        used = github.used
        polled(daemon, github)
        assert github.used == used


def test_github_is_left_alone_until_its_limit_is_reset_also_after_a_kill(tmp_path: Path) -> None:
    with GitHub("acme/app", limit=3) as github, running(tmp_path / "d", config=GITHUB.format(url=github.url)) as daemon:
        github.reset_in = 8
        github.put("acme/app", 1)
        daemon.wait_for(lambda: github.used >= 2)
        daemon.wait_for(lambda: types(daemon, ISSUE))
        daemon.kill()
        asked = len(github.asked)
        github.put("acme/app", 2)
        daemon.start()
        assert health(daemon, "tracker:github")
        assert daemon.ask("GET", "/api/issues").status == 200
        assert len(github.asked) == asked  # the pause is still kept, though it was just started
        github.used = 0  # the limit is reset
        daemon.wait_for(lambda: types(daemon, "acme%2Fapp%232") == ["IssueApproved"])
        assert (github.used <= 2, [status for _, status in github.asked[:asked]]) == (True, [200] * asked)


def ready(daemon: Daemon) -> list[str]:
    """What may be handed out, in order."""
    return [entry["streamId"] for entry in daemon.ask("GET", "/api/queue").json]


LINEAR = """
[tracker]
poll_interval_ms = 200

[plugins.linear]
api_key = "lin_api_k"
endpoint = "{url}"
"""


def test_issues_of_linear_wait_for_their_blockers_and_end_when_they_are_closed(tmp_path: Path) -> None:
    with Linear() as linear, running(tmp_path / "d", config=LINEAR.format(url=linear.url)) as daemon:
        blocker = {"type": "blocks", "issue": {"identifier": "ENG-1", "state": {"type": "started"}}}
        linear.put(1)
        linear.put(2, inverseRelations={"nodes": [blocker]}, priority=1)
        daemon.wait_for(lambda: types(daemon, "ENG-2") == ["IssueApproved"] and types(daemon, "ENG-1"))
        assert ready(daemon) == ["ENG-1"]
        linear.put(1, state={"name": "Done", "type": "completed"})
        daemon.wait_for(lambda: types(daemon, "ENG-1") == ["IssueApproved", "IssueDone"])
        daemon.wait_for(lambda: ready(daemon) == ["ENG-2"])
        linear.put(2, state={"name": "Backlog", "type": "backlog"})
        daemon.wait_for(lambda: types(daemon, "ENG-2")[-1] == "IssueCancelled")
