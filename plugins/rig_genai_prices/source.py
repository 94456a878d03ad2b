"""Base prices from genai-prices, without its long-context tiers: a usage line is the sum of a session."""

from decimal import Decimal
from importlib.metadata import version

from rig import ModelPrice

SAMPLE = 1000
"""Tokens asked for a price: few enough that no long-context tier applies."""
MILLION = 1_000_000


class GenaiPrices:
    """A ``rig.PriceSource``."""

    def __init__(self) -> None:
        self.name = f"genai-prices {version('genai-prices')}"

    def price(self, model: str) -> ModelPrice | None:
        """Counts of genai-prices include cache tokens, so each kind of token is priced beside none of the others."""
        try:
            read = _per_million(model, input_tokens=SAMPLE, cache_read_tokens=SAMPLE)
            write = _per_million(model, input_tokens=SAMPLE, cache_write_tokens=SAMPLE)
            spent, said = _per_million(model, input_tokens=SAMPLE), _per_million(model, output_tokens=SAMPLE)
        except (LookupError, ValueError):
            return None
        return ModelPrice(spent, said, read, write, 2 * spent if write != spent else write)


def _per_million(model: str, **counts: int) -> Decimal:
    from genai_prices import Usage, calc_price

    return calc_price(Usage(**counts), model_ref=model).total_price * MILLION / SAMPLE
