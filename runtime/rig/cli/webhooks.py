"""``rig webhook``: what came in from outside, and reading it again."""

import click

from rig.cli.output import Output, limited, listing, output
from rig.cli.remote import Remote, remote
from rig.cli.tables import Column
from rig.cli.words import ago, moment
from rig.clock import SystemClock


@click.group()
def webhook() -> None:
    """Webhooks: deliveries that came in."""


@webhook.command("list")
@click.option("--source", metavar="NAME", help="Only deliveries of this source.")
@click.option(
    "--state", type=click.Choice(["accepted", "ignored", "retry", "dead", "replayed"]), help="Only those of this state."
)
@limited
@listing
@remote
def list_(remote: Remote, output: Output, source: str | None, state: str | None, limit: int) -> None:
    """List deliveries, newest first."""
    now = SystemClock().now()
    columns = (
        Column("DELIVERY", "id", gives=2),
        Column("SOURCE", "source"),
        Column("EVENT", "event"),
        Column("STATE", "state"),
        Column("AGE", lambda row: ago(row.get("receivedAt"), now), right=True),
        Column("WHAT", lambda row: ", ".join(row["streams"]) or row["error"] or row["ignored"] or "", gives=1),
    )
    given = {k: v for k, v in (("source", source), ("state", state)) if v is not None}
    rows = remote.call("list_webhook_deliveries", limit=output.reach(limit) or 500, **given)
    output.rows(rows, columns, lambda row: row["id"], limit)


@webhook.command()
@click.argument("id")
@click.option("--source", metavar="NAME", help="Its source, where several have a delivery of this id.")
@output
@remote
def show(remote: Remote, output: Output, id: str, source: str | None) -> None:
    """Show a delivery."""
    found = remote.call("get_webhook_delivery", id=id, **_of(source))
    facts = {
        "delivery": found["id"],
        "source": found["source"],
        "event": found["event"],
        "state": found["state"],
        "received": moment(found["receivedAt"]),
        "caused": ", ".join(found["caused"]),
        "ignored": found["ignored"],
        "error": found["error"],
        "tries": found["tries"],
        "next try": moment(found["nextTryAt"]),
        "body": f"{found['size']} bytes" if found["bodyKept"] else "not kept any more",
    }
    output.one(found, facts, found["id"])


@webhook.command()
@click.argument("id")
@click.option("--source", metavar="NAME", help="Its source, where several have a delivery of this id.")
@click.option("--force", is_flag=True, help="Cause again what it caused before.")
@output
@remote
def replay(remote: Remote, output: Output, id: str, source: str | None, force: bool) -> None:
    """Read a delivery again with today's plugin and configuration; what it caused before is not caused again."""
    done = remote.call("replay_webhook_delivery", id=id, **_of(source), **({"force": "true"} if force else {}))
    output.one(done, {"delivery": id, "caused": done["matched"], "ignored": done.get("ignored")}, id)


def _of(source: str | None) -> dict[str, str]:
    return {} if source is None else {"source": source}
