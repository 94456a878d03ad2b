"""Running totals of the ledger, by which any window of time costs little and is exact to the picodollar.

A window ends now, so what was spent in it is how much each total has grown since it began; and every usage line keeps the totals
as they stood after it.
"""

from rig.clock import Micros
from rig.model.costs import PICO
from rig.model.events import encode
from rig.model.rows import Spent, UsageRow

DAY: Micros = 24 * 3_600_000_000
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
REPO_SUMS = SUMS[: SUMS.index("lines") + 1]
"""Those that sums by repository show."""


def account(*names: str | None) -> str:
    """The key of a running total."""
    return encode(names).decode()


def columns(spent: Spent) -> tuple[int, ...]:
    """The values of ``SUMS``."""
    counts = (spent.input, spent.output, spent.cache_read, spent.cache_creation)
    return (*counts, *divmod(spent.cost, PICO), spent.lines, spent.unpriced, *divmod(spent.unpriced_cost, PICO))


def spent(sums: tuple[int, ...]) -> Spent:
    """The other way: ``SUMS`` columns, or sums of them, or the first of them (``REPO_SUMS``)."""
    if len(sums) == len(REPO_SUMS):
        i, o, r, c, usd, pico, lines = sums
        return Spent(i, o, r, c, usd * PICO + pico, lines)
    i, o, r, c, usd, pico, lines, unpriced, unpriced_usd, unpriced_pico = sums
    return Spent(i, o, r, c, usd * PICO + pico, lines, unpriced, unpriced_usd * PICO + unpriced_pico)


def of_line(row: UsageRow) -> Spent:
    """What one usage line adds."""
    unpriced = row.rule == "unpriced"
    t = row.tokens
    return Spent(
        *(t.input, t.output, t.cache_read, t.cache_creation, row.counted, 1, int(unpriced), row.counted if unpriced else 0)
    )


def display_tenant(value: object) -> str:
    """The display tenant of a usage line, in lower case: equality is without case (R0-50)."""
    return value.strip().lower() if isinstance(value, str) and value.strip() else LEGACY


def start(now: Micros, days: int) -> Micros:
    """When the window ``[now - days*24h, now]`` begins (R0-53)."""
    return max(0, now - days * DAY)
