"""``rig why``: which rule or event keeps a thing where it is."""

import click

from rig.cli.output import Output, listing, say
from rig.cli.remote import Remote, remote
from rig.cli.tables import Column
from rig.cli.words import word


@click.command()
@click.argument("id")
@listing
@remote
def why(remote: Remote, output: Output, id: str) -> None:
    """Say why an issue or a job is where it is, with the events behind it."""
    found = remote.call("get_why", id=id)
    columns = (
        Column("SEQ", lambda row: row.get("sequence") or "", right=True),
        Column("CODE", "code"),
        Column("WHY", "text", gives=1, wraps=True),
    )
    output.rows(found["reasons"], columns, lambda row: row["code"])
    if output.format == "table":
        say(f"{word(id)} is {word(found['state'])}")
