"""Plugins of a real daemon: switched while it runs, house rules at work, and commands that plugins add."""

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import Daemon, running
from tests.acceptance.test_session import repository

POLICY = """
[dispatch]
enabled = true
provider = "command"
success_state = "done"
max_retry_backoff_ms = 0
[executor]
slots = 1
[workspace]
repo = "{repo}"
commit = {commit}
[providers.command]
command = "cat > prompt.txt; echo rule=$HOUSE_RULE token=${{RIG_TOKEN:0:4}} > env.txt; cat prompt.txt env.txt"
[plugins.policy]
hold_labels = ["hold"]
hold_seconds = 1
note = "Be brief: {{{{ not a template }}}}"
require_commit = true
log = true
[plugins.policy.environment]
HOUSE_RULE = "yes"
RIG_TOKEN = "stolen"
"""


@pytest.fixture
def repository_of_work(tmp_path: Path) -> Path:
    return repository(tmp_path / "work")


def issue(daemon: Daemon, number: int) -> Any:
    return next((i for i in daemon.ask("GET", "/api/issues").json if i["issueNumber"] == number), None)


def test_house_rules_hold_back_change_and_refuse_work(tmp_path: Path, repository_of_work: Path) -> None:
    config = POLICY.format(repo=repository_of_work, commit="true")
    with running(tmp_path / "d", config=config) as daemon:
        daemon.post(type="ISSUE_APPROVED", repo="o/r", issueNumber=1, title="held", labels=["hold"], priority="high")
        daemon.post(type="ISSUE_APPROVED", repo="o/r", issueNumber=2, title="free")
        daemon.wait_for(lambda: issue(daemon, 2)["state"] == "done")
        held = issue(daemon, 1)
        assert (held["state"], held["attempt"]) == ("queued", 1)
        assert held["reason"] == "held back by policy: the label hold holds it back"
        (run,) = daemon.ask("GET", "/api/execution-logs").json
        said = [line["text"] for line in daemon.ask("GET", f"/api/execution-logs/{run['id']}").json["logs"]]
        assert "rule=yes token=rig_" in said
        assert "Be brief: {{ not a template }}" in said
        log = daemon.log.read_text()
        assert "o/r#2: moved: assigned to in_progress" in log
        assert "o/r#2: run ended: completed" in log


def test_work_without_a_commit_is_not_accepted_where_the_rules_say_so(tmp_path: Path, repository_of_work: Path) -> None:
    config = POLICY.format(repo=repository_of_work, commit="true").replace("enabled = true", "enabled = false")
    with running(tmp_path / "d", config=config) as daemon:
        daemon.post(type="ISSUE_APPROVED", repo="o/r", issueNumber=1)
        lease = daemon.ask("POST", "/api/assignments/claim", {"agentId": "a"}).json["lease"]
        end = f"/api/leases/{lease['id']}/complete"
        refused = daemon.ask("POST", end, {"agentId": "a", "fence": lease["fence"]})
        assert (refused.status, refused.json["code"]) == (409, "vetoed")
        assert refused.json["error"] == "not accepted by policy: no commit was made"
        done = daemon.ask("POST", end, {"agentId": "a", "fence": lease["fence"], "commit": "0123abcd"})
        assert done.status == 200, done.body


def test_a_plugin_is_switched_off_and_on_and_the_overlay_remembers(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "d")

    def row() -> Any:
        return next(r for r in daemon.ask("GET", "/api/v1/plugins").json if r["name"] == "genai-prices")

    try:
        daemon.start()
        assert daemon.ask("GET", "/x/genai-prices/price?model=claude-sonnet-4-5").json["usdPerMillionTokens"]["input"] == 3
        assert daemon.rig("plugin", "disable", "genai-prices", check=True).stdout == "genai-prices: disabled\n"
        assert daemon.ask("GET", "/x/genai-prices/price?model=claude-sonnet-4-5").status == 404
        daemon.kill()
        daemon.start()
        assert (row()["state"], row()["hooks"]) == ("disabled", [])  # not even its code was loaded
        assert daemon.rig("plugin", "enable", "genai-prices", check=True).stdout == "genai-prices: enabled\n"
        shown = daemon.rig("x", "genai-prices", "price", "model=claude-sonnet-4-5", check=True).stdout
        assert '"output": 15.0' in shown
        assert "x/genai-prices/price" in daemon.rig("plugin", "trace", "-F", "genai-prices", "-o", "ndjson", check=True).stdout
        events = daemon.ask("GET", "/api/events/stream?id=plugins").json
        assert [e["data"]["enabled"] for e in events] == [False, True]
    finally:
        daemon.kill()


MOODY = """
import os
import rig


@rig.hookimpl
def rig_register_notifiers(context):
    if os.path.exists(__file__ + ".bad"):
        raise LookupError("in a bad mood")
    return []
"""


def test_a_plugin_that_cannot_be_let_in_is_tried_and_told_once(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "moody.py").write_text(MOODY)
    config = "[plugins]\ndisabled = ['moody']\n"
    with running(tmp_path / "d", config=config, arguments=("--plugins-dir", str(plugins))) as daemon:
        (plugins / "moody.py.bad").touch()
        refused = daemon.ask("POST", "/api/v1/plugins/moody/enable").json
        assert (refused["state"], "LookupError: in a bad mood" in refused["last_error"]) == ("load_error", True)
        assert daemon.ask("POST", "/api/v1/plugins/moody/disable").json["state"] == "disabled"
        assert daemon.log.read_text().count("in a bad mood") == 1
        (plugins / "moody.py.bad").unlink()
        daemon.ask("PATCH", "/api/v1/config/overlay", {"path": "plugins.disabled", "value": []})
        daemon.wait_for(
            lambda: {r["name"]: r["state"] for r in daemon.ask("GET", "/api/v1/plugins").json}["moody"] == "enabled"
        )


def test_a_command_of_a_plugin_is_a_command_of_rig(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    shown = daemon.rig("price", "claude-sonnet-4-5", check=True).stdout
    assert "cache_read" in shown
    assert daemon.rig("price", "no-such-model").returncode == 3
    assert daemon.rig("no-such-command").returncode == 2
