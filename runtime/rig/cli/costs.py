"""``rig cost``: what was spent, and how each line of it was counted."""

from typing import Any

import click

from rig.cli.output import Output, listing, say
from rig.cli.remote import PAGE, Remote, remote
from rig.cli.tables import Column
from rig.cli.words import safe_json
from rig.errors import NotFound
from rig.text import one_line

RULES = {
    "zero_tokens": "no tokens, so it costs nothing",
    "recomputed": "computed: tokens times prices",
    "reported": "no cache tokens, so the agent's word counts",
    "unpriced": "no price is known: what the agent reported, else 0",
}
"""Why an amount counts, for people (R0-43 … R0-46)."""
_KINDS = (
    ("input", "inputTokens", "input"),
    ("output", "outputTokens", "output"),
    ("cache read", "cacheReadTokens", "cacheRead"),
    ("cache write", "cacheCreationTokens", "cacheCreation"),
)


@click.group()
def cost() -> None:
    """Costs: summary, explain."""


@cost.command()
@click.option("--days", type=click.IntRange(1, 36_500), default=7, show_default=True, help="The last so many times 24 hours.")
@click.option("--tenant-id", metavar="NAME", help="Only usage of this display tenant.")
@listing
@remote
def summary(remote: Remote, output: Output, days: int, tenant_id: str | None) -> None:
    """Sum up what was spent, by agent, the dearest first."""
    answer = remote.call("get_cost_summary", days=days, tenantId=tenant_id)
    if output.format == "json":
        say(safe_json(answer, 2))
        return
    columns = (
        Column("AGENT", "agentId", gives=1),
        Column("USD", lambda row: f"{row['totalCostUsd']:.4f}", right=True),
        Column("IN", lambda row: f"{row['inputTokens']:,}", right=True),
        Column("OUT", lambda row: f"{row['outputTokens']:,}", right=True),
        Column("CACHE READ", lambda row: f"{row['cacheReadTokens']:,}", right=True),
        Column("CACHE WRITE", lambda row: f"{row['cacheCreationTokens']:,}", right=True),
        Column("LINES", lambda row: f"{row['eventCount']:,}", right=True),
        Column("BY CATEGORY", lambda row: ", ".join(f"{k} {v:.4f}" for k, v in row["categories"].items()), gives=2, wraps=True),
    )
    output.rows(answer["agents"], columns, lambda row: row["agentId"])
    if output.format == "table":
        say(f"${answer['totalCostUsd']:.6f} in {answer['period']}")
        unpriced = answer["unpriced"]
        if unpriced["eventCount"]:
            lines = _lines_said(unpriced["eventCount"])
            say(f"of it ${unpriced['costUsd']:.6f} as reported in {lines} of models without a known price")


@cost.command()
@click.argument("id_", metavar="ID")
@listing
@remote
def explain(remote: Remote, output: Output, id_: str) -> None:
    """Show how each usage line of an issue, an execution or an event (its sequence) was counted.

    Prices are dollars for a million tokens, as they were when the line came in.
    """
    lines, total = _lines(remote, id_)
    if not lines:
        raise NotFound(f"the ledger has no line of {id_}; give an issue, an execution or the sequence of a TOKEN_USAGE event")
    if output.format != "table":
        output.rows(lines, (), lambda line: str(line["sequence"]))
        return
    for line in lines:
        say(one_line(f"{line['sequence']}  {line['at']}  {line['agentId']}  {line['model']}  {line['category']}", 300))
        prices = line["unitPrices"]
        for name, tokens, price in _KINDS:
            if line[tokens]:
                known = f" x {prices[price]:>9g} = {line[tokens] * prices[price] / 1e6:>12.6f}" if prices else ""
                say(f"    {name:<12}{line[tokens]:>14,}{known}")
        said = [
            f"{name} ${line[key]:.6f}"
            for name, key in (("reported", "reportedUsd"), ("computed", "computedUsd"))
            if line[key] is not None
        ]
        source = f" ({line['priceSource']})" if line["priceSource"] else ""
        say("    " + one_line(f"{', '.join(said) or 'nothing reported'}{source}", 300))
        say(f"    counts ${line['countedUsd']:.6f}: {RULES.get(line['rule'], line['rule'])}")
    say(f"{_lines_said(len(lines))}, ${total:.6f}")


def _lines_said(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"


def _lines(remote: Remote, id_: str) -> tuple[list[dict[str, Any]], float]:
    """All lines of an id, whatever kind of id it is, and the dollars that they add up to."""
    found: list[dict[str, Any]]
    if id_.isdigit():
        answer = remote.call("list_cost_lines", sequence=int(id_))
        return answer["lines"], answer["totalCostUsd"]
    for kind in ("issue", "execution"):
        found = []
        while True:
            answer = remote.call("list_cost_lines", limit=PAGE, offset=len(found), **{kind: id_})
            found += answer["lines"]
            if len(answer["lines"]) < PAGE:
                break
        if found:
            return found, answer["totalCostUsd"]
    return [], 0.0
