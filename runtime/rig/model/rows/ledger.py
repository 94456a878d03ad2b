"""Rows of the ledger."""

import msgspec

from rig.clock import Micros
from rig.model.rows.base import Row, Tokens


class Spent(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What some usage lines add up to."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_creation: int = 0
    cost: int = 0
    """Picodollars that count."""
    lines: int = 0
    unpriced: int = 0
    """Lines of models without a price; they count with what the agent reported."""
    unpriced_cost: int = 0
    """The part of ``cost`` that comes from them."""

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.input + other.input,
            self.output + other.output,
            self.cache_read + other.cache_read,
            self.cache_creation + other.cache_creation,
            self.cost + other.cost,
            self.lines + other.lines,
            self.unpriced + other.unpriced,
            self.unpriced_cost + other.unpriced_cost,
        )


class UsageRow(Row, frozen=True, kw_only=True):
    """One line of the ledger. Key: the event's sequence, 16 digits."""

    agent: str
    repo: str | None
    issue: str | None
    execution: str | None
    model: str
    category: str
    at: Micros
    tokens: Tokens
    reported: int | None
    """Picodollars that the agent said, None when it said nothing."""
    computed: int | None
    """Picodollars by the price table, None when the model has no price."""
    counted: int
    rule: str
    """Which rule decided ``counted``: zero_tokens, recomputed, reported, unpriced."""
    display: str = "default"
    """Display tenant in lower case (``tenantId``, R0-50); not the tenant that the log is divided by."""
    repo_account: int = 0
    """``SpendRow.opened`` of the total of its agent, repository and display tenant."""
    repo_total: Spent = Spent()
    """That total after this line."""
    category_account: int = 0
    """``SpendRow.opened`` of the total of its agent, category and display tenant."""
    category_total: Spent = Spent()
    """That total after this line."""


class SpendRow(Row, frozen=True, kw_only=True):
    """A running total of usage lines: of an agent and display tenant, by repository, by category or by day in UTC.

    Key: ``rig.model.spend.account`` of the agent, what it is by, and the display tenant; of a day, the date comes first.
    """

    agent: str
    repo: str | None = None
    category: str | None = None
    date: str | None = None
    display: str
    opened: int = 0
    """Sequence of its first line, by which its history is found: that is quicker to compare than its key."""
    last_at: Micros
    """When its newest line came."""
    total: Spent
