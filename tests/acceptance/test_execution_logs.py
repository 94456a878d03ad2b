"""The log of an execution that Rig runs itself, while it runs and after (R0-41), and its trace."""

import asyncio
from pathlib import Path
from typing import Any

from rig.client import Target
from rigtui.link import Link
from rigtui.state import Connection
from tests.acceptance.daemon import running

CONFIG = """
[dispatch]
enabled = true
provider = "command"
[workspace]
strategy = "directory"
[providers.command]
command = '''
printf 'one\\ntwo\\n'
echo '{"type": "progress", "message": "halfway", "turns": 1}'
echo '{"type": "usage", "model": "claude-sonnet-4-5", "inputTokens": 10, "outputTokens": 4994, "cacheReadTokens": 160855, "cacheCreationTokens": 28927}'
until [ -e GO ]; do read -rt 0.1 <> <(:) || :; done
echo three
'''
"""


def test_lines_count_while_they_come_and_the_trace_tells_the_whole_journey(tmp_path: Path) -> None:
    go = tmp_path / "go"
    with running(tmp_path / "rig", config=CONFIG.replace("GO", str(go))) as daemon:
        daemon.ask("POST", "/api/v1/issues", {"identifier": "ENG-1", "title": "One"})

        def only(status: str, lines: int) -> Any:
            found = daemon.ask("GET", f"/api/execution-logs?status={status}").json
            return found[0] if found and found[0]["logCount"] >= lines and found[0]["totalCostUsd"] else None

        shown = daemon.wait_for(lambda: only("running", 2))
        detail = daemon.ask("GET", f"/api/execution-logs/{shown['id']}").json
        assert [line["text"] for line in detail["logs"]][:2] == ["one", "two"]
        assert detail["logCount"] >= len(detail["logs"]) >= 2
        assert (shown["durationSeconds"], shown["totalCostUsd"], shown["totalTurns"]) == (None, 0.231673, 1)
        go.touch()
        ended = daemon.wait_for(lambda: only("completed", 3))
        detail = daemon.ask("GET", f"/api/execution-logs/{shown['id']}").json
        assert ended["logCount"] == detail["logCount"] == len(detail["logs"])
        assert ended["stepCount"] == len(detail["steps"])
        assert "three" in [line["text"] for line in detail["logs"]]
        trace = daemon.ask("GET", f"/api/v1/traces?run={shown['id']}").json
        told = daemon.rig("trace", trace["traceId"], check=True).stdout
    assert [span["kind"] for span in trace["spans"]] == ["issue", "queue", "attempt", "lease", "execution", "step", "review"]
    by_kind = {span["kind"]: span for span in trace["spans"]}
    assert by_kind["issue"]["costUsd"] == by_kind["execution"]["costUsd"] == 0.231673
    assert (by_kind["execution"]["status"], by_kind["review"]["status"]) == ("completed", "running")
    assert by_kind["step"]["name"] == "halfway"
    assert "└ halfway" in told
    assert "$0.2317" in told


async def test_the_dashboard_finds_the_attempts_of_an_issue_behind_five_hundred_newer_ones(tmp_path: Path) -> None:
    with running(tmp_path / "rig") as daemon:
        started = [{"type": "WORK_STARTED", "repo": "acme/app", "issueNumber": n, "agentId": f"a-{n}"} for n in range(1, 503)]
        assert daemon.ask("POST", "/api/events/batch", started).status == 200
        newest = daemon.ask("GET", "/api/execution-logs?limit=500").json
        assert 1 not in {row["issueNumber"] for row in newest}
        live = asyncio.Event()
        link = Link(lambda: Target(daemon.url), lambda change: live.set() if change == Connection("live") else None)
        running_link = asyncio.ensure_future(link.run())
        try:
            await asyncio.wait_for(live.wait(), 20)
            assert [(e.issue_id, e.agent_id) for e in await link.executions("acme/app#1")] == [("acme/app#1", "a-1")]
        finally:
            running_link.cancel()
            await asyncio.gather(running_link, return_exceptions=True)
