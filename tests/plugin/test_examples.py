"""Every example of docs/plugins/ as it stands there: loaded by a real daemon from its plugins folder, and seen at work."""

import hashlib
import hmac
import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from rig import StepContext
from rig.errors import ConfigError
from rig.plugin.host import PluginHost
from rig.plugin.settings import PluginSettings
from tests.acceptance.daemon import Daemon, running
from tests.acceptance.test_session import repository
from tests.plugin import pages

AGENT = (
    'cat > prompt.txt; echo "warnings=$PYTHONWARNINGS"; tail -n 3 prompt.txt; ! grep -q "please fail" prompt.txt || exit 3\n'
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples as one-file plugins."""
    found = tmp_path_factory.mktemp("examples")
    pages.write(found)
    return found


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    """What the example of a health checker watches."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture(scope="module")
def bubbles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stands in for notify-send writes here."""
    return tmp_path_factory.mktemp("desktop") / "bubbles"


@pytest.fixture(scope="module")
def todo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the example of a tracker reads."""
    file = tmp_path_factory.mktemp("todo") / "todo.txt"
    file.write_text("Buy paint\n")
    return file


@pytest.fixture(scope="module")
def daemon(
    tmp_path_factory: pytest.TempPathFactory, folder: Path, listener: socket.socket, bubbles: Path, todo: Path
) -> Iterator[Daemon]:
    """A daemon with every example that works on nothing by itself."""
    place = tmp_path_factory.mktemp("serves")
    program = place / "notify"
    program.write_text(f'#!/bin/sh\necho "$2" >> {bubbles}\n')
    program.chmod(0o755)
    config = f"""
[plugins]
dir = "{folder}"
[plugins.database]
port = {listener.getsockname()[1]}
[tracker]
poll_interval_ms = 500
[plugins.desktop]
program = "{program}"
[plugins.todo_txt]
file = "{todo}"
[plugins.standup]
team = ["Ada", "Grace"]
[[webhook_sources]]
name = "alerts"
type = "alerts"
secret = "of the test"
"""
    with running(place, config=config) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Daemon]:
    """A daemon with every example, whose one slot works with the example of a provider."""
    place = tmp_path_factory.mktemp("works")
    repo = repository(place / "repo")
    (repo / "agent.sh").write_text(AGENT)
    for command in (("add", "."), ("-c", "user.name=t", "-c", "user.email=t@example.invalid", "commit", "-qm", "Agent")):
        subprocess.run(["git", *command], cwd=repo, check=True)
    config = f"""
[dispatch]
enabled = true
provider = "script"
success_state = "done"
max_retry_backoff_ms = 0
[executor]
slots = 1
[workspace]
repo = "{repo}"
[plugins]
dir = "{folder}"
"""
    with running(place / "daemon", config=config) as daemon:
        yield daemon


def issue(daemon: Daemon, number: int) -> Any:
    rows = daemon.ask("GET", "/api/issues?limit=100").json
    return next((row for row in rows if row["issueNumber"] == number), {"state": None})


def said(daemon: Daemon, logger: str) -> list[str]:
    """What a plugin has written into the daemon's log."""
    lines = [json.loads(line) for line in daemon.log.read_text().splitlines() if line.startswith("{")]
    return [line["event"] for line in lines if line.get("logger") == logger]


def output(daemon: Daemon, number: int) -> list[str]:
    """The lines of the one execution that an issue had."""
    (run,) = [row for row in daemon.ask("GET", "/api/execution-logs").json if row["issueNumber"] == number]
    return [line["text"] for line in daemon.ask("GET", f"/api/execution-logs/{run['id']}").json["logs"]]


def claimed(daemon: Daemon, number: int, agent: str) -> Any:
    """The lease of an agent on a new issue."""
    daemon.post(type="ISSUE_APPROVED", repo="acme/app", issueNumber=number, title=f"Number {number}")
    return daemon.ask("POST", "/api/assignments/claim", {"agentId": agent}).json["lease"]


def test_every_example_is_loaded_and_has_the_hook_of_its_page(daemon: Daemon) -> None:
    rows = {row["name"]: row for row in daemon.ask("GET", "/api/v1/plugins").json}
    for hook in pages.hooks():
        name, _ = pages.example(hook)
        assert (rows[name]["state"], rows[name]["hooks"], rows[name]["last_error"]) == ("enabled", [hook], None)


def test_rig_register_providers(working: Daemon) -> None:
    working.post(type="ISSUE_APPROVED", repo="acme/app", issueNumber=1, title="Paint it")
    working.wait_for(lambda: issue(working, 1)["state"] == "done")
    assert "warnings=error" in output(working, 1)


def test_rig_before_run(working: Daemon) -> None:
    for number, labels in ((2, []), (3, ["web"])):
        working.post(type="ISSUE_APPROVED", repo="acme/app", issueNumber=number, title="Paint it", labels=labels)
        working.wait_for(lambda number=number: issue(working, number)["state"] == "done")
        prompt = "\n".join(output(working, number))
        assert "Run `make check` before you say that you are done." in prompt
        assert ("Look at the page on a narrow screen too." in prompt) == ("web" in labels)


def test_rig_before_dispatch(working: Daemon) -> None:
    working.post(type="ISSUE_APPROVED", repo="acme/app", issueNumber=4, title="wip: paint it")
    working.wait_for(lambda: "still a draft" in (issue(working, 4).get("reason") or ""))
    assert issue(working, 4)["state"] == "queued"
    assert "drafts: it is still a draft" in issue(working, 4)["reason"]


def test_rig_after_dispatch_and_rig_after_run(working: Daemon) -> None:
    working.post(type="ISSUE_APPROVED", repo="acme/app", issueNumber=5, title="please fail")
    try:
        working.wait_for(lambda: "acme/app#5: try 2, with script" in said(working, "turnout"))
        assert "acme/app#5 by script: failed, exit 3" in said(working, "breakdowns")
    finally:
        working.post(type="ISSUE_CANCELLED", repo="acme/app", issueNumber=5)


def test_rig_register_webhook_sources(daemon: Daemon) -> None:
    body = json.dumps({"repo": "acme/app", "issue": 61, "text": "It is down"}).encode()
    right = {"X-Signature": hmac.new(b"of the test", body, "sha256").hexdigest(), "X-Alert-Id": "a-1"}
    assert daemon.ask("POST", "/api/webhooks/alerts", body, headers=right | {"X-Signature": "0" * 64}).status == 401
    answer = daemon.ask("POST", "/api/webhooks/alerts", body, headers=right)
    assert (answer.status, answer.json["duplicate"]) == (200, False)
    assert daemon.ask("POST", "/api/webhooks/alerts", body, headers=right).json["duplicate"] is True
    assert issue(daemon, 61)["title"] == "It is down"
    empty = b"{}"
    signed = {"X-Signature": hmac.new(b"of the test", empty, hashlib.sha256).hexdigest(), "X-Alert-Id": "a-2"}
    ignored = daemon.ask("POST", "/api/webhooks/alerts", empty, headers=signed).json["ignored"]
    assert ignored == "the alert names no issue"
    daemon.post(type="ISSUE_CANCELLED", repo="acme/app", issueNumber=61)


def test_rig_register_health_checkers(daemon: Daemon, listener: socket.socket) -> None:
    def state() -> Any:
        rows = daemon.ask("GET", "/healthz/deep").json["dependencies"]
        return next((row["status"], row["critical"], row["reason"]) for row in rows if row["name"] == "database")

    assert state() == ("Ok", False, None)
    listener.close()
    assert state() == ("Unreachable", False, "check failed: ConnectionRefusedError")


def test_rig_register_notifiers(daemon: Daemon, bubbles: Path) -> None:
    daemon.post(type="ISSUE_NEEDS_HUMAN", repo="acme/app", issueNumber=62, title="Look here")
    daemon.wait_for(lambda: bubbles.exists() and "acme/app#62" in bubbles.read_text())


def test_rig_register_trackers(daemon: Daemon, todo: Path) -> None:
    def types() -> list[str]:
        answer = daemon.ask("GET", "/api/events/stream?id=TODO-1")
        return [event["type"] for event in answer.json] if answer.status == 200 else []

    daemon.wait_for(lambda: types() == ["IssueApproved"])
    todo.write_text("x Buy paint\n")
    daemon.wait_for(lambda: types() == ["IssueApproved", "IssueDone"])


async def test_rig_register_step_kinds(folder: Path) -> None:
    host = PluginHost(PluginSettings(folder=folder, only=frozenset({"pause"})), entries=[])
    host.load()
    pause = host.step_kinds["pause"]
    params = pause.params({"seconds": 0.01}, "steps.wait")
    assert dict((await pause.run(StepContext("r", "wait", 1, params))).outputs) == {"slept": 0.01}
    with pytest.raises(ConfigError, match=r"steps\.wait\.seconds"):
        pause.params({"seconds": -1}, "steps.wait")


def test_rig_register_price_sources(daemon: Daemon) -> None:
    daemon.post(
        type="TOKEN_USAGE", agentId="p", model="acme/own-1", repo="o/r", issueNumber=7, inputTokens=10**6, outputTokens=10**6
    )
    told = daemon.rig("cost", "explain", "o/r#7", check=True).stdout
    assert "own-models 2026" in told
    assert "counts $1.600000" in told


def test_rig_register_operations(daemon: Daemon) -> None:
    assert daemon.ask("GET", "/x/notes/latest").status == 404
    assert daemon.ask("POST", "/x/notes/add", {"text": ""}).status == 400
    assert json.loads(daemon.rig("x", "notes", "add", "text=Milk", "--post", check=True).stdout) == {"count": 1}
    assert daemon.ask("GET", "/x/notes/latest").json["note"].endswith(": Milk")


def test_rig_register_commands(daemon: Daemon) -> None:
    assert daemon.rig("standup", "3", check=True).stdout == "Grace\n"
    wrong = daemon.rig("standup", "32")
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_rig_before_transition_and_rig_after_transition(daemon: Daemon) -> None:
    lease = claimed(daemon, 63, "a")
    end = f"/api/leases/{lease['id']}/complete"
    refused = daemon.ask("POST", end, {"agentId": "a", "fence": lease["fence"]})
    assert (refused.status, refused.json["error"]) == (409, "not accepted by proof: there is no branch with the work")
    assert daemon.ask("POST", end, {"agentId": "a", "fence": lease["fence"], "branch": "rig/63"}).status == 200
    daemon.wait_for(lambda: any(line.startswith("acme/app#63: in_review after ") for line in said(daemon, "cycle_time")))


def test_rig_before_attention_and_rig_after_attention(daemon: Daemon) -> None:
    lease = claimed(daemon, 64, "b")
    ask = f"/api/leases/{lease['id']}/questions"
    options = ["approve", "deny"]
    for text in ("Run: git log --oneline", "Run: rm -rf build"):
        body = {"agentId": "b", "fence": lease["fence"], "question": text, "options": options}
        answer = daemon.ask("POST", ask, body)
        assert answer.status == 201, answer.body
    daemon.wait_for(lambda: "acme/app#64 (question) until answered: Run: rm -rf build" in said(daemon, "doorbell"))
    waiting = [row["question"] for row in daemon.ask("GET", "/api/v1/attention").json if row["subject"] == "acme/app#64"]
    assert waiting == ["Run: rm -rf build"]
    events = daemon.ask("GET", f"/api/issues/{quote('acme/app#64', safe='')}/trace").json["events"]
    assert [e["data"]["answer"] for e in events if e["type"] == "question_answered"] == ["approve"], events
