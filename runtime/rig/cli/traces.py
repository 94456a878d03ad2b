"""``rig trace``: an issue's journey as a tree of spans, or the journeys that moved last."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from rig.cli.output import Output, limited, listing
from rig.cli.remote import Remote, remote
from rig.cli.tables import Column
from rig.cli.words import ago, money, tokens
from rig.clock import SystemClock, micros

_TRACE = re.compile(r"[0-9a-f]{32}\Z")


@click.command()
@click.argument("id", required=False)
@limited
@listing
@remote
def trace(remote: Remote, output: Output, limit: int, id: str | None) -> None:
    """Show the trace ID, or that of an issue, a job or an execution, as a tree; without ID, list those that moved last."""
    if id is None:
        _list(remote, output, limit)
        return
    found = remote.call("get_trace", traceId=id) if _TRACE.match(id) else remote.call("list_traces", **{_kind(id): id})
    now = SystemClock().now()
    began = micros(found["spans"][0]["start"])
    columns = (
        Column("SPAN", "name", gives=1, lead="branch"),
        Column("KIND", "kind"),
        Column("STATUS", "status"),
        Column("AFTER", lambda row: took(micros(row["start"]) - began), right=True),
        Column("TOOK", lambda row: took((micros(row["end"]) if row["end"] else now) - micros(row["start"])), right=True),
        Column("TOKENS", lambda row: tokens(row["tokens"]) if any(row["tokens"].values()) else "", right=True),
        Column("COST", lambda row: money(row["costUsd"]) if row["costUsd"] else "", right=True),
    )
    if output.format == "json":
        output.one(found, {}, found["traceId"])
    else:
        output.rows(
            list(tree(found["spans"])) if output.format == "table" else found["spans"],
            columns,
            lambda row: row["spanId"],
            limit,
        )


def _kind(id: str) -> str:
    from rig.model import identity

    return "job" if identity.JOB.match(id) else "issue" if identity.is_issue(id) else "run"


def _list(remote: Remote, output: Output, limit: int) -> None:
    now = SystemClock().now()
    columns = (
        Column("TRACE", "traceId", gives=3),
        Column("ISSUE", "issueId", gives=2, tail=True),
        Column("STATUS", "status"),
        Column("TOOK", lambda row: took((micros(row["end"]) if row["end"] else now) - micros(row["start"])), right=True),
        Column("TOKENS", lambda row: tokens(row["tokens"]), right=True),
        Column("COST", lambda row: money(row["costUsd"]), right=True),
        Column("BEGAN", lambda row: ago(row["start"], now), right=True),
        Column("TITLE", "title", gives=2),
    )
    found = remote.call("list_traces", limit=output.reach(limit) or 500)
    output.rows(found["traces"], columns, lambda row: row["traceId"], limit)


def tree(spans: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The spans depth first, each with the ``branch`` of the tree that leads to it. Pure."""
    below: dict[str | None, list[Mapping[str, Any]]] = {}
    for span in spans:
        below.setdefault(span["parentId"], []).append(span)

    def walk(parent: str | None, trunk: str) -> Iterator[dict[str, Any]]:
        children = below.get(parent, [])
        for child in children:
            last = child is children[-1]
            branch = "" if parent is None else trunk + ("└ " if last else "├ ")
            yield {**child, "branch": branch}
            yield from walk(child["spanId"], "" if parent is None else trunk + ("  " if last else "│ "))

    return walk(None, "")


def took(span: int) -> str:
    """Microseconds as people say a duration: ``12ms``, ``1.5s``, ``3m20s``, ``2h05m``, ``3d04h``."""
    span = max(span, 0)
    if span < 1_000_000:
        return f"{span // 1000}ms"
    seconds = span // 1_000_000
    if seconds < 60:
        return f"{span / 1e6:.1f}s"
    for size, unit, part, smaller in ((3600, "m", 1, "s"), (86_400, "h", 60, "m")):
        if seconds < size:
            whole = part * 60
            return f"{seconds // whole}{unit}{seconds % whole // part:02d}{smaller}"
    return f"{seconds // 86_400}d{seconds % 86_400 // 3600:02d}h"
