"""Trackers of a real daemon: a file becomes work and is done; nothing is lost or done twice when the daemon is killed."""

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import Daemon, running

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
