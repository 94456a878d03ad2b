"""Sums and lines of the ledger as answers: summed first, rounded last (6.3)."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec

from rig.clock import iso
from rig.model.costs import PICO, dollars
from rig.model.events import Event
from rig.model.rows import Spent, UsageRow
from rig.model.spend import of_line
from rig.wire.shapes import answers

Sums = Mapping[tuple[Any, ...], Spent]


def usage(records: Iterable[tuple[Any, ...]]) -> Iterator[answers.AgentUsage]:
    """Agent, repository and ``REPO_SUMS`` a record, as ``GET /api/usage`` shows it: agents by id, repositories by name.

    There are thousands of records, so each agent's are turned into columns at once.
    """
    for agent, of_agent in groupby(sorted(records, key=lambda record: (record[0], record[1] or "")), itemgetter(0)):
        _, repos, inputs, outputs, reads, creations, usd, pico, _ = zip(*of_agent, strict=True)
        costs = [whole * PICO + rest for whole, rest in zip(usd, pico, strict=True)]
        yield answers.AgentUsage(
            agent_id=agent,
            total_input_tokens=sum(inputs),
            total_output_tokens=sum(outputs),
            total_cache_read_tokens=sum(reads),
            total_cache_creation_tokens=sum(creations),
            total_cost_usd=dollars(sum(costs)),
            by_repo=list(map(answers.RepoUsage, repos, inputs, outputs, reads, creations, map(dollars, costs))),
        )


def cost_summary(days: int, sums: Sums, as_of: int) -> answers.CostSummary:
    """By (agent, category): the dearest agent first, then by id (6.2)."""
    agents = {agent: (_total(categories.values()), categories) for agent, categories in _grouped(sums).items()}
    total = _total(spent for spent, _ in agents.values())
    return answers.CostSummary(
        period=f"{days}d",
        total_cost_usd=dollars(total.cost),
        agents=[
            answers.AgentCosts(
                agent_id=agent,
                total_cost_usd=dollars(spent.cost),
                categories={name: dollars(part.cost) for name, part in sorted(categories.items())},
                event_count=spent.lines,
                unpriced=_unpriced(spent),
                **_tokens(spent),
            )
            for agent, (spent, categories) in sorted(agents.items(), key=lambda item: (-item[1][0].cost, item[0]))
        ],
        unpriced=_unpriced(total),
        as_of=as_of,
    )


def daily_costs(days: int, sums: Mapping[tuple[str, str], Spent]) -> answers.DailyCosts:
    """By (date, agent); what cost nothing is left out (R0-53)."""
    entries = [
        answers.DayCost(date=date, agent_id=agent, cost_usd=dollars(spent.cost))
        for (date, agent), spent in sorted(sums.items())
        if spent.cost
    ]
    return answers.DailyCosts(period=f"{days}d", entries=entries)


def issue_costs(issue: str, sums: Sums, lines: list[answers.LedgerLine], as_of: int) -> answers.IssueCosts:
    """By (agent, category), with the lines."""
    total = _total(sums.values())
    by_agent = {agent: _total(parts.values()) for agent, parts in _grouped(sums).items()}
    by_category: dict[str, Spent] = {}
    for (_, category), spent in sums.items():
        by_category[category] = by_category.get(category, Spent()) + spent
    return answers.IssueCosts(
        issue_id=issue,
        total_cost_usd=dollars(total.cost),
        by_agent=[
            answers.IssueAgentCosts(agent_id=agent, total_cost_usd=dollars(spent.cost))
            for agent, spent in sorted(by_agent.items(), key=lambda item: (-item[1].cost, item[0]))
        ],
        by_category={name: dollars(spent.cost) for name, spent in sorted(by_category.items())},
        unpriced=_unpriced(total),
        lines=lines,
        line_count=total.lines,
        as_of=as_of,
        **_tokens(total),
    )


def cost_lines(lines: list[answers.LedgerLine], total: Spent, as_of: int) -> answers.CostLines:
    """A page of lines, and what all of them add up to."""
    return answers.CostLines(lines=lines, total=total.lines, total_cost_usd=dollars(total.cost), as_of=as_of)


def ledger_line(row: UsageRow, event: Event | None) -> answers.LedgerLine:
    """A line with the prices of its time, which stand in its event's meta; an old one may have none."""
    cost: dict[str, Any] = {} if event is None else msgspec.json.decode(event.meta).get("cost") or {}
    unit = cost.get("unit")
    return answers.LedgerLine(
        sequence=row.sequence,
        at=iso(row.at),
        agent_id=row.agent,
        repo=row.repo,
        issue_id=row.issue,
        execution_id=row.execution,
        model=row.model,
        category=row.category,
        reported_usd=None if row.reported is None else dollars(row.reported),
        computed_usd=None if row.computed is None else dollars(row.computed),
        counted_usd=dollars(row.counted),
        rule=row.rule,
        price_source=str(cost.get("prices", "")),
        unit_prices=answers.UnitPrices(*(dollars(price * 1_000_000) for price in unit)) if unit else None,
        **_tokens(of_line(row)),
    )


def _grouped(sums: Sums) -> dict[str, dict[Any, Spent]]:
    found: dict[str, dict[Any, Spent]] = {}
    for (agent, inner), spent in sums.items():
        found.setdefault(agent, {})[inner] = spent
    return found


def _total(parts: Iterable[Spent]) -> Spent:
    return sum(parts, Spent())


def _tokens(spent: Spent) -> dict[str, int]:
    return {
        "input_tokens": spent.input,
        "output_tokens": spent.output,
        "cache_read_tokens": spent.cache_read,
        "cache_creation_tokens": spent.cache_creation,
    }


def _unpriced(spent: Spent) -> answers.Unpriced:
    return answers.Unpriced(event_count=spent.unpriced, cost_usd=dollars(spent.unpriced_cost))
