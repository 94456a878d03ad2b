"""``rig x``: the operations that plugins add to the API; and the commands that they add to ``rig``."""

import json

import click

from rig.cli.output import Output, listing, say
from rig.cli.remote import Remote, remote
from rig.cli.tables import Column
from rig.cli.words import safe_json
from rig.errors import MethodNotAllowed


@click.command()
@click.argument("plugin", required=False)
@click.argument("operation", required=False)
@click.argument("parameters", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--post", is_flag=True, help="Call it with a body of the parameters, instead of asking with a query.")
@listing
@remote
def x(
    remote: Remote, output: Output, plugin: str | None, operation: str | None, parameters: tuple[str, ...], post: bool
) -> None:
    """Do an OPERATION that a PLUGIN adds to the API, and print its answer as JSON; without one, list them.

    With --post a value that is JSON is sent as JSON, anything else as text.
    """
    if plugin is None or operation is None:
        columns = (
            Column("PLUGIN", "plugin"),
            Column("OPERATION", "name"),
            Column("METHOD", "method"),
            Column("SCOPE", "scope"),
            Column("SUMMARY", "summary", gives=1, wraps=True),
        )
        rows = [{"plugin": row["name"], **o} for row in remote.call("list_plugins") for o in row["operations"]]
        output.rows([r for r in rows if plugin in (None, r["plugin"])], columns, lambda row: f"{row['plugin']} {row['name']}")
        return
    from rig.client.requests import typed

    given = typed(parameters, lambda _: not post)
    what = {"plugin": plugin, "operation": operation}
    try:
        if post:
            answer = remote.call("call_plugin", body=json.dumps(given).encode(), **what)
        else:
            answer = remote.call("query_plugin", **{**given, **what})
    except MethodNotAllowed as error:
        raise MethodNotAllowed(f"{error.message}: call it {'without' if post else 'with'} --post") from None
    say(safe_json(answer, 2))
