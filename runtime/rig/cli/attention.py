"""``rig attention`` and ``rig answer``: what needs a person, and settling it."""

from collections.abc import Mapping
from typing import Any

import click

from rig.cli.output import Output, limited, listing, output
from rig.cli.remote import Remote, remote
from rig.cli.tables import Column
from rig.cli.words import ago
from rig.clock import SystemClock
from rig.errors import BadRequest


@click.command()
@limited
@listing
@remote
def attention(remote: Remote, output: Output, limit: int) -> None:
    """List what needs a person, oldest first; `rig answer ID` settles it."""
    now = SystemClock().now()
    columns = (
        Column("ID", "id"),
        Column("ISSUE", "subject", gives=1, tail=True),
        Column("AGE", lambda row: ago(row.get("since"), now), right=True),
        Column("QUESTION", _asked, gives=1, wraps=True),
    )
    output.rows(remote.rows("list_attention", output.reach(limit)), columns, lambda row: row["id"], limit)


def _asked(row: Mapping[str, Any]) -> str:
    options = f" ({', '.join(row['options'])})" if row["options"] else ""
    return f"{row['question']}{options}"


@click.command()
@click.argument("id")
@click.argument("text", required=False)
@click.option("--approve", "decision", flag_value="approve", help="The answer is approve.")
@click.option("--deny", "decision", flag_value="deny", help="The answer is deny.")
@output
@remote
def answer(remote: Remote, output: Output, id: str, text: str | None, decision: str | None) -> None:
    """Answer what `rig attention` lists: with TEXT, --approve or --deny."""
    if (text is None) == (decision is None):
        raise BadRequest("give TEXT, --approve or --deny")
    done = remote.call("answer_question", id=id, answer=text, decision=decision)
    facts = {"id": done["id"], "issue": done["subject"], "answer": done["answer"], "state": done["state"]}
    output.one(done, facts, done["id"])
