"""``rig queue``: what waits for an agent."""

import click

from rig.cli.output import Output, limited, listing
from rig.cli.remote import Remote, remote
from rig.cli.tables import Column


@click.group()
def queue() -> None:
    """What waits for an agent, in the order in which it is handed out."""


@queue.command("list")
@limited
@listing
@remote
def list_(remote: Remote, output: Output, limit: int) -> None:
    """List the queue, the next one first."""
    columns = (
        Column("ISSUE", "streamId", gives=2, tail=True),
        Column("PRIORITY", "priority"),
        Column("ATTEMPT", "attempt", right=True),
        Column("TITLE", lambda row: row["issue"]["title"] or "", gives=2),
    )
    output.rows(remote.rows("list_queue", output.reach(limit)), columns, lambda row: row["streamId"], limit)
