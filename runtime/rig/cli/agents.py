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
    columns = (
        Column("AGENT", "id", gives=1),
        Column("STATUS", "status"),
        Column("ONLINE", "isOnline"),
        Column("ISSUE", _issue, gives=1),
        Column("MODEL", "lastModel", gives=2),
        Column("DONE", "issuesCompleted", right=True),
        Column("FAILED", "issuesFailed", right=True),
        Column("SEEN", lambda row: ago(row.get("lastHeartbeat"), now), right=True),
    )
    output.rows(remote.call("list_agents"), columns, lambda row: row["id"])


def _issue(row: Mapping[str, Any]) -> str:
    repo, number = row.get("currentRepo"), row.get("currentIssue")
    return f"{word(repo)}#{number}" if repo and number else ""


@agent.command()
@click.argument("name")
@click.option("--reason", default="released by an operator", show_default=True, help="Why, for the record.")
@output
@remote
def release(remote: Remote, output: Output, name: str, reason: str) -> None:
    """Take what an agent holds away from it: the issue is queued again."""
    done = remote.call("release_agent", id=name, reason=reason)
    output.one(done, {"agent": name, "queued again": done["released"]}, name)
