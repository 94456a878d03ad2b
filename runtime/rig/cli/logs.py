"""``rig logs``: what an execution said."""

from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from rig.cli.output import say
from rig.cli.remote import Remote, remote
from rig.cli.words import safe_json
from rig.text import clean

if TYPE_CHECKING:
    from rig.client import Client


@click.command()
@click.argument("execution")
@click.option("-f", "--follow", is_flag=True, help="Wait for more until the execution ends.")
@click.option("--after", type=click.IntRange(0), default=0, metavar="LINE", help="Begin behind this line.")
@click.option("-o", "--output", "format_", type=click.Choice(["text", "ndjson"]), default="text", show_default=True)
@remote
def logs(remote: Remote, execution: str, follow: bool, after: int, format_: str) -> None:
    """Print what an execution said, line by line; `rig issue show` and `rig job show` name it."""

    async def printing(client: "Client") -> None:
        async with aclosing(client.log_lines(execution, after, follow=follow)) as lines:
            async for line in lines:
                say(safe_json(line) if format_ == "ndjson" else clean(line["text"]).replace("\n", " "))

    remote.ask(printing)
