"""Answers about usage and costs. Dollars are JSON numbers with at most six places."""

from typing import Any

import msgspec

from rig.wire.shapes.answers.base import Camel


class RepoUsage(Camel):
    repo: str | None
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    cost_usd: float


class AgentUsage(Camel):
    agent_id: str
    total_input_tokens: int
    total_output_tokens: int
    total_cache_read_tokens: int
    total_cache_creation_tokens: int
    total_cost_usd: float
    by_repo: list[RepoUsage]


class Unpriced(Camel):
    event_count: int
    """Lines of models that no price is known for."""
    cost_usd: float
    """What their agents reported; it is in the totals."""


class AgentCosts(Camel):
    agent_id: str
    total_cost_usd: float
    categories: dict[str, float]
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    event_count: int
    unpriced: Unpriced


class CostSummary(Camel):
    period: str
    total_cost_usd: float
    agents: list[AgentCosts]
    unpriced: Unpriced
    as_of: int


class DayCost(Camel):
    date: str
    agent_id: str
    cost_usd: float


class DailyCosts(Camel):
    period: str
    entries: list[DayCost]


class UnitPrices(Camel):
    """Dollars for a million tokens, as they were when the line came in."""

    input: float
    output: float
    cache_read: float
    cache_creation: float
    cache_creation_1h: float = msgspec.field(name="cacheCreation1h")


class LedgerLine(Camel):
    sequence: int
    at: str
    agent_id: str
    repo: str | None
    issue_id: str | None
    execution_id: str | None
    model: str
    category: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    reported_usd: float | None
    """What the agent said, null when it said nothing."""
    computed_usd: float | None
    """By the price table, null when it does not know the model."""
    counted_usd: float
    rule: str
    """Which of the two counts: zero_tokens, recomputed, reported or unpriced."""
    price_source: str
    unit_prices: UnitPrices | None


class CostLines(Camel):
    lines: list[LedgerLine]
    total: int
    total_cost_usd: float
    """Of all of them, also those on other pages; summed before it is rounded."""
    as_of: int


class IssueAgentCosts(Camel):
    agent_id: str
    total_cost_usd: float


class IssueCosts(Camel):
    issue_id: str
    total_cost_usd: float
    by_agent: list[IssueAgentCosts]
    by_category: dict[str, float]
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    unpriced: Unpriced
    lines: list[LedgerLine]
    line_count: int
    as_of: int


SHAPES: dict[str, Any] = {
    "Usage": list[AgentUsage],
    "CostSummary": CostSummary,
    "DailyCosts": DailyCosts,
    "IssueCosts": IssueCosts,
    "CostLines": CostLines,
}
