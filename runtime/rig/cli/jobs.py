"""``rig job``: the record of work that agents were asked to do."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from rig.cli.output import Output, limited, listing, output
from rig.cli.remote import Remote, remote
from rig.cli.tables import Column
from rig.cli.words import ago, moment
from rig.clock import SystemClock

if TYPE_CHECKING:
    from rig.client import Client

PAGE = 100


@click.group()
def job() -> None:
    """Jobs: work that one agent is asked to do."""


@job.command("list")
@limited
@listing
@remote
def list_(remote: Remote, output: Output, limit: int) -> None:
    """List jobs, newest first."""
    now = SystemClock().now()
    columns = (
        Column("JOB", "id"),
        Column("STATUS", "status"),
        Column("ISSUE", "issueId", gives=2, tail=True),
        Column("AGENT", "agentRole", gives=1),
        Column("TRIES", "attempts", right=True),
        Column("AGE", lambda row: ago(row.get("createdAt"), now), right=True),
        Column("RESULT", _result, gives=2),
    )
    output.rows(remote.ask(lambda client: _jobs(client, output.reach(limit))), columns, lambda row: row["id"], limit)


def _result(row: Mapping[str, Any]) -> str:
    """How the last try ended, while there is none at work."""
    return "" if row["status"] == "active" else row["failedReason"] or row["result"] or ""


async def _jobs(client: "Client", limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    page = 0
    while True:
        page += 1
        jobs = (await client.call("list_jobs", page=page, limit=PAGE))["jobs"]
        found += jobs
        if len(jobs) < PAGE or (limit and len(found) >= limit):
            return found[:limit] if limit else found


@job.command()
@click.argument("id")
@output
@remote
def show(remote: Remote, output: Output, id: str) -> None:
    """Show a job."""
    found = remote.call("get_job", id=id)
    facts = {
        "job": found["id"],
        "status": found["status"],
        "issue": found["issueId"],
        "agent": found["agentRole"],
        "provider": found["provider"],
        "model": found["model"],
        "tries": found["attempts"],
        "created": moment(found["createdAt"]),
        "started": moment(found["processedAt"]),
        "ended": moment(found["finishedAt"]),
        "execution": found["executionId"],
        "result": _result(found),
    }
    output.one(found, facts, found["id"])


@job.command()
@click.argument("id")
@click.option("--reason", metavar="TEXT", help="Why, for the record.")
@output
@remote
def cancel(remote: Remote, output: Output, id: str, reason: str | None) -> None:
    """Cancel a job; the work on its issue ends with it."""
    done = remote.call("cancel_job", id=id, reason=reason)
    output.one(done, {"job": id, "status": done["status"]}, id)
