"""The main job with the real agent: a signed delivery becomes a queued issue, the unmodified claude works on it, a branch is left.

The model API is a stand-in on loopback that draws file name, text and token counts anew each time (I11, I21).
"""

import asyncio
import hashlib
import hmac
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib import request

import psutil
import pytest

from rig.model.costs import dollars
from rig.model.rows import Tokens
from rig.prices import PriceBook
from rig_genai_prices.source import GenaiPrices
from tests.acceptance.daemon import Daemon, running
from tests.standins.anthropic import Anthropic
from tests.standins.chat import Chat
from tests.standins.openai import OpenAI

S = TypeVar("S", Anthropic, OpenAI, Chat)

SECRET = "a-secret-of-the-test"
MODEL = "claude-sonnet-4-5"
PAYLOAD = Path(__file__).parent.parent / "fixtures" / "github" / "issues.labeled.json"


def repository(folder: Path) -> Path:
    """A git repository with one commit."""
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("A small repository.\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=t", "-c", "user.email=t@example.invalid", "commit", "-q", "-m", "Begin")
    return folder


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True).stdout


def config(repo: Path, claude: str, base_url: str, success_state: str) -> str:
    return f"""
[dispatch]
enabled = true
provider = "claude"
model = "{MODEL}"
success_state = "{success_state}"
[executor]
slots = 1
[workspace]
repo = "{repo}"
[providers.claude]
command = "{claude}"
base_url = "{base_url}"
approval = "auto"
env = {{ ANTHROPIC_API_KEY = "made-up-key-for-a-stand-in" }}
[[webhook_sources]]
name = "github"
type = "github"
secret = "{SECRET}"
"""


@contextmanager
def stand_in(model_api: S) -> Iterator[S]:
    """The stand-in on an event loop of its own, so that the test may block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(model_api.__aenter__(), loop).result(10)
    try:
        yield model_api
    finally:
        asyncio.run_coroutine_threadsafe(model_api.__aexit__(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def deliver(daemon: Daemon) -> str:
    """Post the delivery as GitHub signs it; the issue's stream."""
    body = PAYLOAD.read_bytes()
    signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-GitHub-Event": "issues", "X-GitHub-Delivery": "d-1", "X-Hub-Signature-256": signature}
    answer = daemon.ask("POST", "/api/webhooks/github", body, headers=headers)
    assert (answer.status, answer.json["matched"]) == (200, 1), answer.body
    payload = json.loads(body)
    return f"{payload['repository']['full_name']}#{payload['issue']['number']}"


def quoted(stream: str) -> str:
    return stream.replace("/", "%2F").replace("#", "%23")


@pytest.mark.parametrize("success_state", ["in_review", "done"])
def test_the_real_claude_works_on_an_issue_that_a_signed_delivery_brought(
    tmp_path: Path, claude: str, success_state: str
) -> None:
    repo = repository(tmp_path / "repo")
    with stand_in(Anthropic()) as model_api:
        with running(tmp_path / "rig", config=config(repo, claude, model_api.url, success_state)) as daemon:
            stream = deliver(daemon)
            execution = daemon.wait_for(lambda: daemon.ask("GET", "/api/execution-logs").json)[0]["id"]
            lines = followed(daemon, execution)
            issue = daemon.wait_for(lambda: issue_in(daemon, stream, success_state), 60)
            trace = daemon.ask("GET", f"/api/issues/{quoted(stream)}/trace").json
            keys = daemon.data
            code = daemon.stop()
        assert code == 0
        assert [p.info for p in psutil.process_iter(["cmdline"]) if claude in (p.info["cmdline"] or [])] == []
    branch = issue["branch"]
    assert git(repo, "diff", "--name-only", "main", branch).split() == [model_api.file_name]
    assert git(repo, "show", f"{branch}:{model_api.file_name}") == model_api.file_text
    total = model_api.total
    assert trace["tokens"] == {
        "inputTokens": total.input,
        "outputTokens": total.output,
        "cacheReadTokens": total.cache_read,
        "cacheCreationTokens": total.cache_creation,
    }
    cost = PriceBook(sources=lambda: [GenaiPrices()]).cost(
        MODEL, Tokens(total.input, total.output, total.cache_read, total.cache_creation)
    )
    assert trace["totalCostUsd"] == dollars(cost["counted"])
    assert any(model_api.words in line["text"] for line in lines)
    assert "made-up-key" not in "".join(p.read_text(errors="replace") for p in keys.rglob("*.log"))


def issue_in(daemon: Daemon, stream: str, state: str) -> dict[str, Any] | None:
    """The issue once it is in ``state``; fails at once when it went another way."""
    found = next(i for i in daemon.ask("GET", "/api/issues").json if i["streamId"] == stream)
    assert found["attempt"] == 1, (found, daemon.log.read_text())
    return found if found["state"] == state else None


def followed(daemon: Daemon, execution: str) -> list[dict[str, Any]]:
    """The log lines as they stream while the session runs, to its end."""
    asked = request.Request(
        f"{daemon.url}/api/v1/attempts/{execution}/logs?follow=true", headers={"Accept": "application/x-ndjson"}
    )
    with request.urlopen(asked, timeout=60) as stream:
        return [json.loads(line) for line in stream]


@pytest.fixture
def claude(require: Callable[[str], str]) -> str:
    """The unmodified program of npm, else the one on PATH."""
    folder = os.environ.get("RIG_TEST_NODE_MODULES")
    found = Path(folder or "/nonexistent") / ".bin" / "claude"
    return str(found) if found.exists() else require("claude")
