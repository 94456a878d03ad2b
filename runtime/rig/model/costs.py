"""Cost rules of the ledger (R0-43 … R0-46): which amount counts for a usage line, and why. Amounts are picodollars."""

from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from rig.model.rows import Tokens

PICO = 10**12


class Price(msgspec.Struct, frozen=True):
    """Base prices of a model in picodollars a token, without long-context tiers."""

    input: int
    output: int
    cache_read: int
    cache_creation: int
    """Five-minute cache writes."""
    cache_creation_1h: int


class Cost(msgspec.Struct, frozen=True, omit_defaults=True):
    """Both amounts of a usage line and the one that counts; this is ``meta.cost`` of a TOKEN_USAGE event."""

    counted: int
    rule: str
    """``zero_tokens``, ``recomputed``, ``reported`` or ``unpriced``."""
    computed: int | None = None
    reported: int | None = None
    prices: str = ""
    """Which price table was asked, with its version."""
    unit: tuple[int, ...] = ()
    """The prices that ``computed`` was made with: the fields of ``Price`` in their order; empty when the model has none."""


def cost(tokens: Tokens, reported: int | None, price: Price | None, prices: str = "", one_hour: int = 0) -> Cost:
    """The cost of one usage line.

    ``reported`` is what the agent said, None when it said nothing; ``price`` None when the model is unknown; ``one_hour`` is
    the part of the cache-creation tokens written for an hour.
    """
    if tokens.total == 0:
        return Cost(0, "zero_tokens", 0, reported, prices)
    if price is None:
        return Cost(reported or 0, "unpriced", None, reported, prices)
    one_hour = min(one_hour, tokens.cache_creation)
    computed = (
        tokens.input * price.input
        + tokens.output * price.output
        + tokens.cache_read * price.cache_read
        + (tokens.cache_creation - one_hour) * price.cache_creation
        + one_hour * price.cache_creation_1h
    )
    unit = msgspec.structs.astuple(price)
    if reported is not None and not (tokens.cache_read or tokens.cache_creation):
        return Cost(reported, "reported", computed, reported, prices, unit)
    return Cost(computed, "recomputed", computed, reported, prices, unit)


def picodollars(usd: float | str | Decimal) -> int:
    """A dollar amount as picodollars; floats by their shortest decimal text."""
    return int((Decimal(str(usd)) * PICO).to_integral_value(ROUND_HALF_EVEN))


def dollars(pico: int) -> float:
    """Picodollars as a JSON number of dollars, rounded once to 6 places, halves to even; sum first, round last (6.3)."""
    micro, rest = divmod(pico, 1_000_000)
    if rest > 500_000 or (rest == 500_000 and micro % 2):
        micro += 1
    return micro / 1_000_000
