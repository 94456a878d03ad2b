"""Models behind an OpenAI-compatible server work for a real daemon, with Rig's own tools; the server draws everything anew."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import randrange
from secrets import token_hex

import psutil
import pytest

from tests.acceptance.daemon import Daemon, running
from tests.acceptance.test_questions import create, in_review, question, rig, types
from tests.acceptance.test_real_agents import executions, session, texts, tokens
from tests.acceptance.test_session import followed, git, quoted, repository, stand_in
from tests.standins.chat import Chat, Failure, Reply

KEY = "made-up-key-of-a-model"


def config(repo: Path, api: Chat, name: str, approval: str, more: str, stall_ms: int) -> str:
    return f"""
[dispatch]
enabled = true
provider = "{name}"
stall_timeout_ms = {stall_ms}
[executor]
slots = 1
[workspace]
repo = "{repo}"
[providers.{name}]
base_url = "{api.url}"
api_key = "$SECRET:MODEL_KEY"
approval = "{approval}"
{more}
"""


@contextmanager
def working(
    folder: Path, api: Chat, name: str = "qwen", approval: str = "auto", more: str = "", stall_ms: int = 60_000
) -> Iterator[tuple[Chat, Daemon, Path]]:
    """The server, a daemon whose agent talks to it with a key from the vault, and the repository; no process is left behind."""
    repo = repository(folder / "repo")
    api.key = KEY
    data = folder / "rig" / "data"
    secret = [sys.executable, "-m", "rig.cli", "secret", "set", "MODEL_KEY", "--data-dir", str(data)]
    subprocess.run(secret, input=KEY, text=True, check=True, capture_output=True, cwd=folder, timeout=60)
    with stand_in(api), running(folder / "rig", config=config(repo, api, name, approval, more, stall_ms)) as daemon:
        yield api, daemon, repo
        assert daemon.stop() == 0
    assert [p.info for p in psutil.process_iter(["cmdline", "cwd"]) if str(folder) in (p.info["cwd"] or "")] == []
    assert api.faults == []
    assert api.keys == {f"Bearer {KEY}"}
    kept = (p for p in (folder / "rig").rglob("*") if p.is_file() and p.name != "secrets")
    assert [p.name for p in kept if KEY.encode() in p.read_bytes()] == []


def log(daemon: Daemon, execution: str) -> list[str]:
    return [line["text"] for line in followed(daemon, execution)]


def test_an_issue_is_done_by_a_model_that_looks_edits_and_tries(tmp_path: Path) -> None:
    number, word = randrange(10**9), token_hex(6)
    replies: list[Reply | Failure] = [
        Failure(429, "slow down", {"Retry-After": "0"}),
        Reply("First I look.", [("search", {"pattern": "small"}), ("read", {"path": "README.md"})]),
        Reply("", [("edit", {"path": "README.md", "old": "A small repository.", "new": f"A {word} repository."})]),
        Reply("", [("write", {"path": "src/answer.py", "content": f"print({number} + 1)\n"})]),
        Reply("", [("run", {"command": "python3 src/answer.py; env"}), ("read", {"path": "../../../etc/passwd"})]),
        Reply(f"README and answer are done: {word}."),
    ]
    with working(tmp_path, Chat(replies=replies)) as (api, daemon, repo):
        stream = create(daemon)
        lines = log(daemon, executions(daemon)[0])
        branch = in_review(daemon, stream)["branch"]
        assert tokens(daemon, stream) == api.spent
        assert len(api.reported) == 5
        assert sorted(git(repo, "diff", "--name-only", "main", branch).split()) == ["README.md", "src/answer.py"]
        assert git(repo, "show", f"{branch}:README.md") == f"A {word} repository.\n"
        heard = texts(api.bodies[-1])
        assert f"[exit 0]\n{number + 1}\n" in heard
        assert "README.md:1:A small repository." in heard
        assert "a path may not hold '..'" in heard
        assert "root:" not in heard
        assert KEY not in heard
        assert f"README and answer are done: {word}." in lines
        assert f"[result] {number + 1}" in lines
        assert any(line.startswith("[error] the server answers 429: slow down; asked again in") for line in lines)
        execution = daemon.ask("GET", "/api/execution-logs").json[0]
        assert (execution["provider"], execution["model"]) == ("qwen", "stand-in-1")


@pytest.mark.parametrize("name", ["gemma", "vllm"])
def test_a_server_without_tool_calls_is_spoken_to_in_plain_text(tmp_path: Path, name: str) -> None:
    with working(tmp_path, Chat(native=False), name) as (api, daemon, repo):
        stream = create(daemon)
        branch = in_review(daemon, stream)["branch"]
        assert tokens(daemon, stream) == api.spent
        assert git(repo, "show", f"{branch}:{api.file_name}") == api.file_text
        assert [("tools" in body) for body in api.bodies] == [True, False, False]


@pytest.mark.parametrize("answer", ["--approve", "--deny", None])
def test_what_changes_something_is_asked_for_and_answered(tmp_path: Path, answer: str | None) -> None:
    more = "" if answer else "ask_seconds = 1"
    with working(tmp_path, Chat(), approval="ask", more=more) as (api, daemon, repo):
        stream = create(daemon)
        row = question(daemon)
        assert (row["subject"], row["options"]) == (stream, ["approve", "deny"])
        assert row["question"].startswith(f"qwen wants to write {api.file_name}:\n")
        if answer:
            assert daemon.ask("GET", f"/api/v1/why/{quoted(stream)}").json["state"] == "blocked"
            rig(daemon, "answer", row["id"], answer)
        branch = in_review(daemon, stream)["branch"]
        ended = "question_answered" if answer else "question_expired"
        assert [t for t in types(daemon, stream) if t.startswith("question")] == ["question_asked", ended]
        assert tokens(daemon, stream) == api.spent
        changed = git(repo, "diff", "--name-only", "main", branch).split()
        assert changed == ([api.file_name] if answer == "--approve" else [])


def test_an_abort_interrupts_an_answer_in_the_middle_of_its_stream(tmp_path: Path) -> None:
    with working(tmp_path, Chat(hang_at=1)) as (api, daemon, _):
        stream = create(daemon)
        daemon.wait_for(api.hanging.is_set, 30)
        execution = executions(daemon)[0]
        assert daemon.ask("POST", f"/api/v1/issues/{quoted(stream)}/abort", {"reason": "not wanted"}).status == 202
        lines = log(daemon, execution)
        assert "the turn was interrupted" in lines
        assert lines[-1] == "session cancelled: not wanted"
        assert tokens(daemon, stream) == api.spent
        assert not list((daemon.data / "homes").glob("*"))


def test_an_abort_ends_a_command_that_runs(tmp_path: Path) -> None:
    replies = [Reply("", [("run", {"command": "echo $$ > pid; trap '' TERM; while :; do sleep 1; done"})])]
    with working(tmp_path, Chat(replies=replies)) as (_, daemon, _):
        stream = create(daemon)
        found: list[Path] = daemon.wait_for(lambda: [p for p in daemon.data.rglob("pid") if p.read_text().strip()], 30)
        pid = int(found[0].read_text())
        execution = executions(daemon)[0]
        assert daemon.ask("POST", f"/api/v1/issues/{quoted(stream)}/abort", {}).status == 202
        log(daemon, execution)
        daemon.wait_for(lambda: not os.path.exists(f"/proc/{pid}") or psutil.Process(pid).status() == "zombie", 20)


@pytest.mark.slow
def test_a_slow_server_and_a_quiet_command_are_no_silence_of_the_agent(tmp_path: Path) -> None:
    """The shortest beat there is is 5 s, so silence may last 8."""
    replies: list[Reply | Failure] = [
        Failure(503, headers={"Retry-After": "9"}),
        Reply("", [("run", {"command": "sleep 10; echo slept"})]),
        Reply("Done."),
    ]
    with working(tmp_path, Chat(replies=replies), stall_ms=8000) as (api, daemon, _):
        stream = create(daemon)
        lines = log(daemon, executions(daemon)[0])
        assert in_review(daemon, stream)["attempt"] == 1
        assert "[result] slept" in lines
        assert tokens(daemon, stream) == api.spent


def test_what_a_person_says_is_in_the_next_request(tmp_path: Path) -> None:
    said = f"look at {token_hex(8)} first"
    with working(tmp_path, Chat(hang_at=0)) as (api, daemon, _):
        stream = create(daemon)
        daemon.wait_for(api.hanging.is_set, 30)
        steered = daemon.ask("POST", f"/api/v1/issues/{quoted(stream)}/steer?wait=0", {"message": said})
        assert (steered.status, steered.json["ok"]) == (200, True)
        api.release()
        in_review(daemon, stream)
        assert [kind for kind in types(daemon, stream) if kind.startswith("steer")] == ["steer_requested", "steer_delivered"]
        assert [said in texts(body) for body in api.bodies] == [False, True]


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_a_conversation_is_gone_on_with_after_the_daemon_was_started_again(tmp_path: Path, kill: bool) -> None:
    with working(tmp_path, Chat(hang_at=1)) as (api, daemon, repo):
        stream = create(daemon)
        daemon.wait_for(api.hanging.is_set, 30)
        if kill:
            daemon.kill()
        else:
            assert daemon.stop() == 0
        asked = len(api.bodies)
        api.release()
        daemon.start()
        daemon.wait_for(lambda: len(executions(daemon)) == 2, 30)
        before, after = [log(daemon, execution) for execution in executions(daemon, 2)]
        branch = in_review(daemon, stream)["branch"]
        assert session(before) == session(after)
        assert len(api.bodies) == asked + 1, "the tool call of the first attempt was not repeated"
        assert api.words in after
        assert git(repo, "show", f"{branch}:{api.file_name}") == api.file_text
        assert tokens(daemon, stream) == api.spent
