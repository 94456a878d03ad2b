"""``rig api``: any operation of the API by its name."""

import json
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from rig.cli.output import Output, listing, say
from rig.cli.remote import Remote, remote
from rig.cli.tables import Column
from rig.cli.words import safe_json
from rig.errors import BadRequest
from rig.text import clean

if TYPE_CHECKING:
    from rig.client import Client
    from rig.wire.operations import Operation

SSE = "text/event-stream"


@click.command()
@click.argument("operation", required=False)
@click.argument("parameters", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--body", type=click.File("rb"), metavar="FILE", help="The whole body; - is standard input.")
@listing
@remote
def api(
    remote: Remote, output: Output, operation: str | None, parameters: tuple[str, ...], body: BinaryIO | None
) -> int | None:
    """Do any OPERATION by its name; without one, list them.

    A value that is JSON is sent as JSON where it goes into the body, anything else as text: issueNumber=7 labels='["bug"]'
    title='"42"'. Answers are JSON; a stream is NDJSON, one event a line, until it is interrupted.
    """
    from rig.client.requests import UNSET, operation_named, typed
    from rig.wire.operations import OPERATIONS

    if operation is None:
        columns = (
            Column("OPERATION", "name"),
            Column("TAKES", "takes", gives=1, wraps=True),
            Column("SUMMARY", "summary", gives=1, wraps=True),
        )
        output.rows([_shown(o) for o in OPERATIONS], columns, lambda row: row["name"])
        return None
    wanted = operation_named(operation)
    texts = {*wanted.path_parameters, *(p.name for p in wanted.query)}
    given = typed(parameters, texts.__contains__)
    whole = UNSET if body is None else body.read()
    if wanted.raw == SSE:
        remote.ask(lambda client: _stream(client, given))
        return None
    answer = remote.call(operation, body=whole, **given)
    if isinstance(answer, str) and wanted.raw is not None:
        sys.stdout.write(clean(answer))
    elif answer is not None:
        say(safe_json(answer, None if output.format == "ndjson" else 2))
    return None


def _shown(operation: "Operation") -> dict[str, Any]:
    takes = [*operation.path_parameters, *(p.name for p in operation.query)]
    takes += [f"body {operation.request}"] if operation.request else []
    path = operation.paths[0]
    return {"name": operation.name, "method": operation.method, "path": path, "takes": takes, "summary": operation.summary}


async def _stream(client: "Client", given: dict[str, Any]) -> None:
    since = given.pop("since", None)
    if since is not None and not since.isdigit():
        raise BadRequest("since is a sequence")
    known = {name: given.pop(name, None) for name in ("topics", "id", "views")}
    if given:
        raise BadRequest(f"stream_events takes since, {', '.join(known)}, not {', '.join(given)}")
    async with aclosing(client.events(None if since is None else int(since), **known)) as frames:
        async for frame in frames:
            data = json.loads(frame.data)
            say(safe_json(data if frame.event not in ("row", "gap") else {"event": frame.event, **data}))
