"""``rig agent``: who works, and taking work away from one."""

from collections.abc import Mapping
from typing import Any

import click

from rig.cli.output import Output, listing, output
from rig.cli.remote import Remote, remote
from rig.cli.tables import Column
from rig.cli.words import ago, word
from rig.clock import SystemClock

HELD = ("assigned", "in_progress")
"""States in which an agent holds an issue."""


@click.group()
def agent() -> None:
    """Agents: who works, and on what."""


@agent.command("list")
@listing
@remote
def list_(remote: Remote, output: Output) -> None:
    """List agents."""
    now = SystemClock().now()
    agents = remote.call("list_agents")
    streams = remote.call("get_streams") if agents else {}
    columns = (
        Column("AGENT", "id", gives=1),
        Column("STATUS", "status"),
        Column("ONLINE", "isOnline"),
        Column("ISSUE", _issue, gives=1, tail=True),
        Column("MODEL", "lastModel", gives=2),
        Column("DONE", "issuesCompleted", right=True),
        Column("FAILED", "issuesFailed", right=True),
        Column("LAG", lambda row: _lag(streams.get(row["id"])), right=True),
        Column("SEEN", lambda row: ago(row.get("lastHeartbeat"), now), right=True),
    )
    output.rows(agents, columns, lambda row: row["id"])


def _issue(row: Mapping[str, Any]) -> str:
    repo, number = row.get("currentRepo"), row.get("currentIssue")
    return f"{word(repo)}#{number}" if repo and number else ""


def _lag(stream: Mapping[str, Any] | None) -> str:
    """Assignments that wait for the agent; before its first claim that is all there are."""
    if stream is None:
        return "0"
    group = stream["groups"].get("agents")
    lag = stream["xlen"] if group is None else group["lag"]
    return "unknown" if lag is None else str(lag)


@agent.command()
@listing
@remote
def streams(remote: Remote, output: Output) -> None:
    """List each agent's stream of assignments: how many wait, how many are in flight."""
    rows = [{"agentId": name, **stream} for name, stream in remote.call("get_streams").items()]
    columns = (
        Column("AGENT", "agentId", gives=1),
        Column("ENTRIES", "xlen", right=True),
        Column("LAG", _lag, right=True),
        Column("PENDING", lambda row: str(row["groups"].get("agents", {}).get("pending", 0)), right=True),
    )
    output.rows(rows, columns, lambda row: row["agentId"])


@agent.command()
@click.argument("name")
@click.option("--reason", default="released by an operator", show_default=True, help="Why, for the record.")
@output
@remote
def release(remote: Remote, output: Output, name: str, reason: str) -> None:
    """Take what an agent holds away from it: the issue is queued again."""
    done = remote.call("release_agent", id=name, reason=reason)
    output.one(done, {"agent": name, "queued again": done["released"]}, name)
