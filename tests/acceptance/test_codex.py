"""The unmodified codex of npm works for a real daemon; the model API is a stand-in on loopback that draws everything anew."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.acceptance.daemon import running
from tests.acceptance.test_questions import create, in_review, question, rig, types
from tests.acceptance.test_session import followed, git, quoted, repository, stand_in
from tests.standins.openai import OpenAI

MODEL = "gpt-5.2-codex"


def config(repo: Path, codex: str, base_url: str, approval: str) -> str:
    return f"""
[dispatch]
enabled = true
provider = "codex"
model = "{MODEL}"
[executor]
slots = 1
[workspace]
repo = "{repo}"
[providers.codex]
command = "{codex}"
base_url = "{base_url}"
approval = "{approval}"
env = {{ OPENAI_API_KEY = "made-up-key-for-a-stand-in" }}
"""


@pytest.fixture
def codex(require: Callable[[str], str]) -> str:
    """The unmodified program of npm, else the one on PATH."""
    found = Path(os.environ.get("RIG_TEST_NODE_MODULES") or "/nonexistent") / ".bin" / "codex"
    program = str(found) if found.exists() else require("codex")
    print(subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.strip())
    return program


def test_the_real_codex_edits_a_file_and_every_token_that_it_was_told_is_counted(tmp_path: Path, codex: str) -> None:
    repo = repository(tmp_path / "repo")
    with stand_in(OpenAI()) as api:
        with running(tmp_path / "rig", config=config(repo, codex, api.url, "auto")) as daemon:
            stream = create(daemon)
            execution = daemon.wait_for(lambda: daemon.ask("GET", "/api/execution-logs").json)[0]["id"]
            lines = [line["text"] for line in followed(daemon, execution)]
            issue = in_review(daemon, stream)
            trace = daemon.ask("GET", f"/api/issues/{quoted(stream)}/trace").json
            assert daemon.stop() == 0
        assert [p.info for p in psutil.process_iter(["cmdline"]) if codex in (p.info["cmdline"] or [])] == []
    assert git(repo, "diff", "--name-only", "main", issue["branch"]).split() == [api.file_name]
    assert git(repo, "show", f"{issue['branch']}:{api.file_name}") == api.file_text
    assert trace["tokens"] == api.total
    assert api.words in lines
    assert any("codex" in line or "rig/" in line for line in lines if line.startswith("[session]"))
    assert {body["model"] for body in api.bodies} == {MODEL}
    assert "made-up-key" not in "".join(p.read_text(errors="replace") for p in daemon.data.rglob("*.log"))


@pytest.mark.parametrize("answer", ["--approve", "--deny"])
def test_an_approval_that_codex_wants_is_asked_and_answered(tmp_path: Path, codex: str, answer: str) -> None:
    repo = repository(tmp_path / "repo")
    with (
        stand_in(OpenAI()) as api,
        running(tmp_path / "rig", config=config(repo, codex, api.url, "ask")) as daemon,
    ):
        stream = create(daemon)
        row = question(daemon)
        assert row["subject"] == stream
        assert api.file_name in row["question"]
        assert row["options"] == ["approve", "deny"]
        rig(daemon, "answer", row["id"], answer)
        issue = in_review(daemon, stream)
        assert [t for t in types(daemon, stream) if t.startswith("question")] == ["question_asked", "question_answered"]
        assert daemon.ask("GET", f"/api/issues/{quoted(stream)}/trace").json["tokens"] == api.total
    changed = git(repo, "diff", "--name-only", "main", issue["branch"]).split()
    assert changed == ([api.file_name] if answer == "--approve" else [])
