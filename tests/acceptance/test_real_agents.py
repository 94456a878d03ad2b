"""The unmodified claude and codex of npm work for a real daemon; the model APIs are stand-ins on loopback that draw everything anew."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import psutil
import pytest

from tests.acceptance.daemon import Daemon, running
from tests.acceptance.test_questions import create, in_review, question, rig, types
from tests.acceptance.test_session import followed, git, quoted, repository, stand_in
from tests.standins.anthropic import Anthropic
from tests.standins.openai import OpenAI

Api = Anthropic | OpenAI
MODELS = {"claude": "claude-sonnet-4-5", "codex": "gpt-5.2-codex"}
KEYS = {"claude": "ANTHROPIC_API_KEY", "codex": "OPENAI_API_KEY"}


@dataclass(frozen=True)
class Agent:
    """A program and what it is called."""

    name: str
    program: str

    def config(self, repo: Path, api: Api, approval: str) -> str:
        return f"""
[dispatch]
enabled = true
provider = "{self.name}"
model = "{MODELS[self.name]}"
[executor]
slots = 1
[workspace]
repo = "{repo}"
[providers.{self.name}]
command = "{self.program}"
base_url = "{api.url}"
approval = "{approval}"
env = {{ {KEYS[self.name]} = "made-up-key-for-a-stand-in" }}
"""

    @contextmanager
    def working(self, folder: Path, approval: str = "auto", hang_at: int | None = None) -> Iterator[tuple[Api, Daemon, Path]]:
        """A stand-in, a daemon whose agent talks to it, and the repository; no process of the agent is left behind."""
        repo = repository(folder / "repo")
        with (
            stand_in(Anthropic(hang_at=hang_at)) if self.name == "claude" else stand_in(OpenAI(hang_at=hang_at)) as api,
            running(folder / "rig", config=self.config(repo, api, approval)) as daemon,
        ):
            yield api, daemon, repo
            assert daemon.stop() == 0
        assert [p.info for p in psutil.process_iter(["cmdline", "cwd"]) if str(folder) in (p.info["cwd"] or "")] == []


@pytest.fixture(params=["claude", "codex"])
def agent(request: pytest.FixtureRequest, require: Callable[[str], str]) -> Agent:
    """The unmodified program of npm, else the one on PATH; its version is printed."""
    name: str = request.param
    found = Path(os.environ.get("RIG_TEST_NODE_MODULES") or "/nonexistent") / ".bin" / name
    program = str(found) if found.exists() else require(name)
    print(name, subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.strip())
    return Agent(name, program)


def executions(daemon: Daemon, count: int = 1) -> list[str]:
    """The ids of that many executions, oldest first."""
    rows = daemon.wait_for(lambda: len(found := daemon.ask("GET", "/api/execution-logs").json) >= count and found, 30)
    return [row["id"] for row in reversed(rows)]


def tokens(daemon: Daemon, stream: str) -> dict[str, int]:
    found: dict[str, int] = daemon.ask("GET", f"/api/issues/{quoted(stream)}/trace").json["tokens"]
    return found


def texts(body: dict[str, Any]) -> str:
    """All texts that a request of the agent gives to the model, one after the other."""
    found: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, dict):
            look(list(value.values()))
        elif isinstance(value, list):
            for one in value:
                look(one)
        elif isinstance(value, str):
            found.append(value)

    look(body.get("messages") or body.get("input"))
    return "\n".join(found)


def session(lines: list[str]) -> str:
    """The id of the agent's own session, as the log says."""
    return next(line.split()[1] for line in lines if line.startswith("[session] "))


def test_it_edits_a_file_and_every_token_that_it_was_told_is_counted(tmp_path: Path, agent: Agent) -> None:
    with agent.working(tmp_path) as (api, daemon, repo):
        stream = create(daemon)
        lines = [line["text"] for line in followed(daemon, executions(daemon)[0])]
        branch = in_review(daemon, stream)["branch"]
        assert tokens(daemon, stream) == api.spent
        assert min(api.spent.values()) > 0
        assert git(repo, "diff", "--name-only", "main", branch).split() == [api.file_name]
        assert git(repo, "show", f"{branch}:{api.file_name}") == api.file_text
        assert api.words in lines
        assert {body["model"] for body in api.bodies} == {MODELS[agent.name]}
        assert "made-up-key" not in "".join(p.read_text(errors="replace") for p in daemon.data.rglob("*.log"))


@pytest.mark.parametrize("answer", ["--approve", "--deny"])
def test_a_permission_that_it_wants_is_asked_for_and_answered(tmp_path: Path, agent: Agent, answer: str) -> None:
    with agent.working(tmp_path, "ask") as (api, daemon, repo):
        stream = create(daemon)
        row = question(daemon)
        assert row["subject"] == stream
        assert api.file_name in row["question"]
        assert row["options"] == ["approve", "deny"]
        blocked = daemon.ask("GET", f"/api/v1/why/{quoted(stream)}").json["state"]
        assert blocked == "blocked"
        rig(daemon, "answer", row["id"], answer)
        branch = in_review(daemon, stream)["branch"]
        assert [t for t in types(daemon, stream) if t.startswith("question")] == ["question_asked", "question_answered"]
        assert tokens(daemon, stream) == api.spent
        assert git(repo, "diff", "--name-only", "main", branch).split() == ([api.file_name] if answer == "--approve" else [])


def test_what_a_person_says_in_the_middle_of_its_turn_is_in_its_conversation(tmp_path: Path, agent: Agent) -> None:
    said = f"--resume me: look at {token_hex(8)} first\n$(touch {tmp_path}/never)"
    with agent.working(tmp_path, hang_at=0) as (api, daemon, repo):
        stream = create(daemon)
        daemon.wait_for(api.hanging.is_set, 30)
        path = f"/api/v1/issues/{quoted(stream)}/steer?wait=0"
        first = daemon.ask("POST", path, {"message": said}, headers={"Idempotency-Key": "once"})
        assert (first.status, first.json["ok"]) == (200, True)
        time.sleep(0.5)  # the program has taken it in
        api.release()
        issue = in_review(daemon, stream)
        again = daemon.ask("POST", path, {"message": said}, headers={"Idempotency-Key": "once"})
        assert again.json == {**first.json, "status": "delivered"}
        kinds = [kind for kind in types(daemon, stream) if kind.startswith("steer")]
        assert kinds == ["steer_requested", "steer_delivered"]
        told = [said in text for text in map(texts, api.bodies)]
        assert (told[0], told[-1]) == (False, True), "the turn that ran goes on with it"
        assert tokens(daemon, stream) == api.spent
        assert git(repo, "show", f"{issue['branch']}:{api.file_name}") == api.file_text
        lines = [line["text"] for line in followed(daemon, executions(daemon)[0])]
        assert [line for line in lines if line.startswith("told: ")] == [f"told: {line}" for line in said.splitlines()]
        assert not (tmp_path / "never").exists()


def test_an_abort_interrupts_its_turn(tmp_path: Path, agent: Agent) -> None:
    with agent.working(tmp_path, hang_at=1) as (api, daemon, _):
        stream = create(daemon)
        daemon.wait_for(api.hanging.is_set, 30)
        execution = executions(daemon)[0]
        assert daemon.ask("POST", f"/api/v1/issues/{quoted(stream)}/abort", {"reason": "not wanted"}).status == 202
        lines = [line["text"] for line in followed(daemon, execution)]
        assert "the turn was interrupted" in lines
        assert lines[-1] == "session cancelled: not wanted"
        assert tokens(daemon, stream) == api.spent
        assert not list((daemon.data / "homes").glob("*"))


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_a_session_is_gone_on_with_after_the_daemon_was_started_again(tmp_path: Path, agent: Agent, kill: bool) -> None:
    with agent.working(tmp_path, hang_at=1) as (api, daemon, repo):
        stream = create(daemon)
        daemon.wait_for(api.hanging.is_set, 30)
        if kill:
            daemon.kill()
        else:
            assert daemon.stop() == 0
        asked = len(api.bodies)
        daemon.start()
        daemon.wait_for(lambda: len(executions(daemon)) == 2, 30)  # what a killed one left is ended by then
        api.release()
        before, after = [[line["text"] for line in followed(daemon, execution)] for execution in executions(daemon, 2)]
        branch = in_review(daemon, stream)["branch"]
        assert session(before) == session(after)
        assert len(api.bodies) == asked + 1, "the tool call of the first attempt was not repeated"
        assert api.words in after
        assert tokens(daemon, stream) == api.spent
        assert git(repo, "show", f"{branch}:{api.file_name}") == api.file_text


def test_what_was_said_just_before_a_kill_is_in_the_session_that_goes_on(tmp_path: Path, agent: Agent) -> None:
    said = f"Remember {token_hex(8)}."
    with agent.working(tmp_path, hang_at=1) as (api, daemon, repo):
        stream = create(daemon)
        daemon.wait_for(api.hanging.is_set, 30)
        path = f"/api/v1/issues/{quoted(stream)}/steer?wait=1"
        assert daemon.ask("POST", path, {"message": said}).json["ok"]
        daemon.kill()
        daemon.start()
        daemon.wait_for(lambda: len(executions(daemon)) == 2, 30)
        api.release()
        issue = in_review(daemon, stream)
        assert issue["attempt"] == 2
        assert said in texts(api.bodies[-1])
        kinds = [kind for kind in types(daemon, stream) if kind.startswith("steer")]
        assert kinds == ["steer_requested", "steer_delivered"]
        assert tokens(daemon, stream) == api.spent
        assert git(repo, "show", f"{issue['branch']}:{api.file_name}") == api.file_text


@pytest.mark.parametrize("agent", ["codex"], indirect=True)
def test_what_codex_has_used_of_its_limits_is_shown_with_its_agent_while_it_works(tmp_path: Path, agent: Agent) -> None:
    with agent.working(tmp_path, hang_at=1) as (api, daemon, _):
        assert isinstance(api, OpenAI)
        create(daemon)
        daemon.wait_for(api.hanging.is_set, 30)
        shown = {"name": "codex", "status": "ready", "details": f"used: {api.used_percent} % of 300 minutes", "active": True}
        daemon.wait_for(lambda: daemon.ask("GET", "/api/agents").json[0]["providers"] == [shown])
        api.release()
        daemon.wait_for(lambda: daemon.ask("GET", "/api/agents").json[0]["providers"] == [])
