"""``rig agent``: who works, and taking work away from one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from rig.cli.output import Output, listing, output
from rig.cli.remote import PAGE, Remote, remote
from rig.cli.tables import Column
from rig.cli.words import ago, word
from rig.clock import SystemClock
from rig.errors import Conflict, NotFound

if TYPE_CHECKING:
    from rig.client import Client

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
    released = remote.ask(lambda client: _release(client, name, reason))
    output.one({"agentId": name, "released": released}, {"agent": name, "queued again": released}, name)


async def _release(client: "Client", name: str, reason: str) -> list[str]:
    if name not in [row["id"] for row in await client.call("list_agents")]:
        raise NotFound(f"there is no agent {name}; `rig agent list` shows them")
    held = []
    for state in HELD:
        offset = 0
        while page := await client.call("list_issues", state=state, limit=PAGE, offset=offset):
            held += [row for row in page if row["assignedAgent"] == name]
            offset += len(page)
    if not held:
        raise Conflict(f"{name} holds nothing")
    for row in held:
        named = {"repo": row["repo"], "issueNumber": row["issueNumber"]} if row["repo"] else {"identifier": row["streamId"]}
        await client.call("post_event", type="ISSUE_UNASSIGNED", agentId=name, reason=reason, **named)
    return [row["streamId"] for row in held]
