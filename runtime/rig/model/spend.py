"""Sums of the ledger: which rows a window of time is made of, so that any window costs little and is exact to the picodollar."""

from typing import NamedTuple

import msgspec

from rig.clock import Micros
from rig.model.costs import PICO
from rig.model.rows import SpendRow, Tokens, UsageRow

HOUR: Micros = 3_600_000_000
DAY: Micros = 24 * HOUR
MAX_DAYS = 36_500
"""Longest window: a century."""
LEGACY = "default"
"""Display tenant of usage lines that name none (R0-50)."""
UNKNOWN = "unknown"
"""A display tenant that cannot be asked for (R0-50)."""

SUMS = (
    "input",
    "output",
    "cache_read",
    "cache_creation",
    "usd",
    "pico",
    "lines",
    "unpriced",
    "unpriced_usd",
    "unpriced_pico",
)
"""Columns that add up. Money is whole dollars and the picodollars beyond them: a sum of either stays within 64 bits."""


class Spent(msgspec.Struct, frozen=True):
    """What some usage lines add up to."""

    tokens: Tokens = Tokens()
    cost: int = 0
    """Picodollars that count."""
    lines: int = 0
    unpriced: int = 0
    """Lines of models without a price; they count with what the agent reported."""
    unpriced_cost: int = 0
    """The part of ``cost`` that comes from them."""

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.tokens + other.tokens,
            self.cost + other.cost,
            self.lines + other.lines,
            self.unpriced + other.unpriced,
            self.unpriced_cost + other.unpriced_cost,
        )

    @property
    def columns(self) -> tuple[int, ...]:
        """The values of ``SUMS``."""
        t = self.tokens
        usd, pico = divmod(self.cost, PICO)
        unpriced_usd, unpriced_pico = divmod(self.unpriced_cost, PICO)
        counts = (t.input, t.output, t.cache_read, t.cache_creation)
        return (*counts, usd, pico, self.lines, self.unpriced, unpriced_usd, unpriced_pico)


def spent(sums: tuple[int, ...]) -> Spent:
    """The other way: ``SUMS`` columns, or sums of them."""
    i, o, r, c, usd, pico, lines, unpriced, unpriced_usd, unpriced_pico = map(int, sums)
    return Spent(Tokens(i, o, r, c), usd * PICO + pico, lines, unpriced, unpriced_usd * PICO + unpriced_pico)


def of_line(row: UsageRow) -> Spent:
    """What one usage line adds."""
    unpriced = row.rule == "unpriced"
    return Spent(row.tokens, row.counted, 1, int(unpriced), row.counted if unpriced else 0)


def of_row(row: SpendRow) -> Spent:
    """What a rolled-up row holds."""
    return Spent(row.tokens, row.cost, row.lines, row.unpriced, row.unpriced_cost)


def display_tenant(value: object) -> str:
    """The display tenant of a usage line, in lower case: equality is without case (R0-50)."""
    return value.strip().lower() if isinstance(value, str) and value.strip() else LEGACY


class Window(NamedTuple):
    """``[now - days, now]`` as what it is made of: single lines, whole hours, whole days. Ends are exclusive."""

    lines: tuple[Micros, Micros]
    hours: tuple[int, int]
    """Hours since 1970."""
    since_day: int
    """First whole day, in days since 1970."""

    @property
    def first_day(self) -> int:
        """The day in which the window begins, of which lines and hours are."""
        return self.since_day - 1


def window(now: Micros, days: int) -> Window:
    """The parts of the last ``days`` times 24 hours (R0-53)."""
    start = max(0, now - days * DAY)
    hour, day = -(-start // HOUR), start // DAY + 1
    return Window((start, hour * HOUR), (hour, day * 24), day)
