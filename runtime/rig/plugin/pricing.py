"""What a price source is: it knows what tokens of a model cost."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol


@dataclass(frozen=True)
class ModelPrice:
    """Base prices of a model in US dollars for a million tokens, without long-context tiers."""

    input: Decimal
    """Tokens of the prompt that no cache had."""
    output: Decimal
    """Tokens of the answer."""
    cache_read: Decimal
    """Tokens of the prompt that came from a cache."""
    cache_write: Decimal
    """Writes that are kept for five minutes."""
    cache_write_1h: Decimal
    """Writes that are kept for an hour."""


class PriceSource(Protocol):
    """Says prices; asked once a model, off the event loop, and remembered."""

    @property
    def name(self) -> str:
        """What usage lines name as the source, with its version: ``genai-prices 0.2.3``."""
        ...

    def price(self, model: str) -> ModelPrice | None:
        """The prices of a model by the name that an agent reports, None when this source does not know it."""
        ...
