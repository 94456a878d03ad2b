"""A real daemon's session is steered: the command line says something, the session has it, and a killed daemon forgets nothing."""

import json
import subprocess
from pathlib import Path
from random import randrange
from typing import Any

from tests.acceptance.daemon import Daemon, running
from tests.acceptance.test_questions import config, create, in_review, rig, types
from tests.acceptance.test_session import git, quoted, repository

WAITS = """
[[providers.mock.script]]
steer = true
write = { "said.txt" = "$steer" }
"""


def settings(repo: Path, script: str, provider: str = "mock", command: str = "true") -> str:
    given = config(repo, command, script).replace('provider = "command"', f'provider = "{provider}"')
    return given.replace("stall_timeout_ms = 1500", "stall_timeout_ms = 60000")


def steer(daemon: Daemon, stream: str, message: str, wait: int = 10) -> tuple[int, Any]:
    answer = daemon.ask("POST", f"/api/v1/issues/{quoted(stream)}/steer?wait={wait}", {"message": message})
    return answer.status, answer.json


def at_work(daemon: Daemon, stream: str) -> None:
    daemon.wait_for(lambda: "work_started" in types(daemon, stream), 30)


def steers(daemon: Daemon, stream: str) -> list[str]:
    return [kind for kind in types(daemon, stream) if kind.startswith("steer")]


def test_the_command_line_steers_a_session(tmp_path: Path) -> None:
    word = f"look at {randrange(10**9)}; $(touch /tmp/never)"
    repo = repository(tmp_path / "repo")
    with running(tmp_path / "rig", config=settings(repo, WAITS)) as daemon:
        stream = create(daemon)
        at_work(daemon, stream)
        assert "delivered" in rig(daemon, "issue", "steer", stream, word)
        issue = in_review(daemon, stream)
        assert git(repo, "show", f"{issue['branch']}:said.txt") == word
        assert steers(daemon, stream) == ["steer_requested", "steer_delivered"]
        assert f"told: {word}"[:16] in rig(daemon, "issue", "trace", stream)
        assert steer(daemon, stream, word)[0] == 409
        assert steer(daemon, "acme/app#99", word)[0] == 404


def test_a_provider_that_cannot_steer_says_so(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    with running(tmp_path / "rig", config=settings(repo, "", "command", "cat; sleep 60")) as daemon:
        stream = create(daemon)
        at_work(daemon, stream)
        status, body = steer(daemon, stream, "Look left.")
        assert (status, body["error"]["code"]) == (409, "conflict")
        assert "provider can't steer" in body["error"]["message"]
        assert steers(daemon, stream) == []


def test_what_a_killed_daemon_had_not_delivered_is_told_to_the_next_attempt(tmp_path: Path) -> None:
    word = f"look at {randrange(10**9)}"
    repo = repository(tmp_path / "repo")
    script = '[[providers.mock.script]]\ndelay_ms = 4000\n[[providers.mock.script]]\nwrite = { "said.txt" = "$steer" }\n'
    with running(tmp_path / "rig", config=settings(repo, script)) as daemon:
        stream = create(daemon)
        at_work(daemon, stream)
        status, body = steer(daemon, stream, word, wait=0)
        assert (status, body["status"]) == (200, "queued")
        daemon.kill()
        daemon.start()
        issue = in_review(daemon, stream)
        assert issue["attempt"] == 2
        assert git(repo, "show", f"{issue['branch']}:said.txt") == word
        assert steers(daemon, stream) == ["steer_requested", "steer_delivered"]


def test_an_attempt_that_begins_afresh_knows_what_the_one_before_was_told(tmp_path: Path) -> None:
    name = f"said-{randrange(10**9)}.txt"
    repo = repository(tmp_path / "repo")
    script = '[[providers.mock.script]]\ndelay_ms = 2000\n[[providers.mock.script]]\nfail = "not today"\n'
    given = settings(repo, script).replace("[executor]", "max_retry_backoff_ms = 1\n[executor]")
    with running(tmp_path / "rig", config=given) as daemon:
        stream = create(daemon)
        at_work(daemon, stream)
        word = f'```rig-mock\n[[turn]]\nwrite = {{ "{name}" = "$execution" }}\n```'  # plays once it is in the prompt
        assert steer(daemon, stream, word)[1]["status"] == "delivered"
        issue = in_review(daemon, stream)
        assert issue["attempt"] == 2
        newest = daemon.ask("GET", "/api/execution-logs?limit=1").json[0]["id"]
        assert git(repo, "show", f"{issue['branch']}:{name}") == newest
        assert steers(daemon, stream) == ["steer_requested", "steer_delivered"], "nothing is told twice"


def test_the_documented_request_works_as_it_is_printed(tmp_path: Path) -> None:
    said = "Focus on the auth module first, skip the tests for now."
    repo = repository(tmp_path / "repo")
    with running(tmp_path / "rig", config=settings(repo, WAITS)) as daemon:
        assert daemon.ask("POST", "/api/v1/issues", {"identifier": "ENG-123"}).status == 201
        at_work(daemon, "ENG-123")
        line = f"""curl -s -X POST {daemon.url}/api/v1/ENG-123/steer \\
-H "Content-Type: application/json" \\
-d '{{"message": "{said}"}}'"""
        answered = json.loads(subprocess.run(["bash", "-c", line], check=True, capture_output=True, text=True).stdout)
        assert (answered["ok"], answered["status"]) == (True, "delivered")
        assert git(repo, "show", f"{in_review(daemon, 'ENG-123')['branch']}:said.txt") == said


def test_what_another_tenant_says_about_its_own_issue_of_that_name_is_not_told(tmp_path: Path) -> None:
    ours, theirs = f"ours {randrange(10**9)}", f"theirs {randrange(10**9)}"
    repo = repository(tmp_path / "repo")
    with running(tmp_path / "rig", config=settings(repo, WAITS)) as daemon:
        token = (daemon.data / "operator.token").read_text().strip()
        other = {"X-Stella-Tenant": "other", "Authorization": f"Bearer {token}"}
        stream = create(daemon)
        at_work(daemon, stream)
        issue = {"repo": "acme/app", "issueNumber": 1, "title": "Theirs"}
        assert daemon.ask("POST", "/api/v1/issues", issue, headers=other).status == 201
        assert daemon.ask("POST", "/api/assignments/claim", {"agentId": "a"}, headers=other).status == 200
        said = daemon.ask("POST", f"/api/v1/issues/{quoted(stream)}/steer?wait=1", {"message": theirs}, headers=other)
        assert said.json["status"] == "queued"
        assert steer(daemon, stream, ours)[1]["status"] == "delivered"
        assert git(repo, "show", f"{in_review(daemon, stream)['branch']}:said.txt") == ours
