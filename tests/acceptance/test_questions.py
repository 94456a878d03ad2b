"""A program that a real daemon runs asks a person: the job is blocked, the command line answers, the program learns it."""

import os
import subprocess
import sys
import time
from pathlib import Path
from random import randrange
from typing import Any

import pytest

from tests.acceptance.daemon import Daemon, running
from tests.acceptance.test_session import git, quoted, repository

ASKS = """
cat > /dev/null
echo '{"type": "question", "question": "WORD?", "options": ["red", "blue"], "deadlineSeconds": DEADLINE}'
while :; do
  heard=$(curl -s "$RIG_URL/api/leases/$RIG_LEASE/heartbeat" -H "Authorization: Bearer $RIG_TOKEN" --json '{}')
  case "$heard" in *question_*) break;; esac
  sleep 0.1
done
printf %s "$heard" > heard.json
"""


def config(repo: Path, command: str, more: str = "") -> str:
    return f"""
[dispatch]
enabled = true
provider = "command"
stall_timeout_ms = 1500
[executor]
slots = 1
[workspace]
repo = "{repo}"
[providers.command]
command = '''{command}'''
{more}
"""


def rig(daemon: Daemon, *arguments: str) -> str:
    environ = os.environ | {"RIG_URL": daemon.url, "RIG_DATA_DIR": str(daemon.data)}
    done = subprocess.run(
        [sys.executable, "-m", "rig.cli", *arguments], capture_output=True, text=True, env=environ, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def create(daemon: Daemon) -> str:
    body = {"repo": "acme/app", "issueNumber": 1, "title": "Paint it"}
    assert daemon.ask("POST", "/api/v1/issues", body).status == 201
    return "acme/app#1"


def question(daemon: Daemon) -> dict[str, Any]:
    rows: list[dict[str, Any]] = daemon.wait_for(lambda: daemon.ask("GET", "/api/v1/attention").json)
    return rows[0]


def in_review(daemon: Daemon, stream: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = next(i for i in daemon.ask("GET", "/api/issues").json if i["streamId"] == stream)
        return found if found["state"] == "in_review" else None

    done: dict[str, Any] = daemon.wait_for(look, 30)
    return done


def types(daemon: Daemon, stream: str) -> list[str]:
    return [event["type"] for event in daemon.ask("GET", f"/api/issues/{quoted(stream)}/trace").json["events"]]


def test_a_program_asks_and_goes_on_with_the_answer_of_the_command_line(tmp_path: Path) -> None:
    word = f"Which colour {randrange(10**9)}"
    repo = repository(tmp_path / "repo")
    command = ASKS.replace("WORD", word).replace("DEADLINE", "600")
    with running(tmp_path / "rig", config=config(repo, command)) as daemon:
        stream = create(daemon)
        row = question(daemon)
        assert (row["subject"], row["question"], row["options"]) == (stream, f"{word}?", ["red", "blue"])
        time.sleep(2)  # longer than the silence that is allowed: it is a person's
        assert rig(daemon, "attention", "-o", "id").strip() == row["id"]
        assert "blue" in rig(daemon, "answer", row["id"], "blue")
        issue = in_review(daemon, stream)
        assert issue["attempt"] == 1
        assert '"answer":"blue"' in git(repo, "show", f"{issue['branch']}:heard.json")
        assert [t for t in types(daemon, stream) if t.startswith("question")] == ["question_asked", "question_answered"]
        assert daemon.ask("GET", "/api/v1/attention").json == []


def test_a_program_that_nobody_answers_is_denied_at_the_deadline(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    command = ASKS.replace("WORD", "Now").replace("DEADLINE", "1")
    with running(tmp_path / "rig", config=config(repo, command)) as daemon:
        stream = create(daemon)
        issue = in_review(daemon, stream)
        heard = git(repo, "show", f"{issue['branch']}:heard.json")
        assert '"type":"question_expired"' in heard
        assert '"decision":"deny"' in heard
        assert [t for t in types(daemon, stream) if t.startswith("question")] == ["question_asked", "question_expired"]


def test_a_plugin_answers_before_a_person_is_needed(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    command = ASKS.replace("WORD", "Approve this").replace(', "options": ["red", "blue"]', "").replace("DEADLINE", "600")
    more = "[plugins.policy]\napprove = ['Approve.*']\n"
    with running(tmp_path / "rig", config=config(repo, command, more)) as daemon:
        stream = create(daemon)
        issue = in_review(daemon, stream)
        assert '"decision":"approve"' in git(repo, "show", f"{issue['branch']}:heard.json")


@pytest.mark.parametrize(("answer", "left"), [(("--approve",), "approve"), (("any words",), "any words")])
def test_a_scripted_session_waits_for_its_answer(tmp_path: Path, answer: tuple[str, ...], left: str) -> None:
    repo = repository(tmp_path / "repo")
    script = """
[[providers.mock.script]]
ask = "May I, $issue?"
write = { "said.txt" = "$answer" }
"""
    settings = config(repo, "true", script).replace('provider = "command"', 'provider = "mock"')
    with running(tmp_path / "rig", config=settings) as daemon:
        stream = create(daemon)
        row = question(daemon)
        assert row["question"] == f"May I, {stream}?"
        rig(daemon, "answer", row["id"], *answer)
        issue = in_review(daemon, stream)
        assert git(repo, "show", f"{issue['branch']}:said.txt") == left
