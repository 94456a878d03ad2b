"""The price book: base prices of a model in picodollars a token, and the cost of a usage line."""

import re
import tomllib
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from rig.errors import ConfigError
from rig.model.costs import PICO, Cost, Price, cost, picodollars
from rig.model.rows import Tokens

ALIASES = {"opus": "claude-opus-5-5", "sonnet": "claude-sonnet-5-5", "haiku": "claude-haiku-5-5"}
"""What agents call a model when they mean the newest of its line."""

_SUFFIX = re.compile(r"\[[^\]]*\]$")
_DATE = re.compile(r"-20\d{6}$")
_SAMPLE = 1000
"""Tokens asked for a price: few enough that no long-context tier applies."""


class PriceBook:
    """Looks up each model once. Unknown models are remembered as such and counted by whoever asks."""

    def __init__(self, override: Path | None = None) -> None:
        """``override`` is a TOML file of ``[models.<name>]`` tables with dollars per million tokens; raises ConfigError."""
        self._override = _read_override(override) if override else {}
        self._known: dict[str, Price | None] = {}
        self._data: str | None = None

    @property
    def source(self) -> str:
        """The price data with its version, as usage lines name it."""
        if self._data is None:
            self._data = f"genai-prices {version('genai-prices')}"
        return self._data

    def price(self, model: str) -> Price | None:
        """Base prices of a model by any of its usual names, None when it is unknown."""
        if model not in self._known:
            if len(self._known) >= 2000:  # names are clients' words: they must not fill the memory
                self._known.clear()
            self._known[model] = self._look_up(model)
        return self._known[model]

    def cost(self, model: str, tokens: Tokens, reported: Any = None, one_hour: int = 0) -> dict[str, Any]:
        """``meta.cost`` of a usage event. ``reported`` is dollars as the agent posted them, None when it said nothing."""
        found: Cost = cost(
            tokens, None if reported is None else picodollars(reported), self.price(model), self.source, one_hour
        )
        built: dict[str, Any] = msgspec.to_builtins(found)
        return built

    def _look_up(self, model: str) -> Price | None:
        for name in _names(model):
            if name in self._override:
                return self._override[name]
        for name in _names(model):
            found = _from_data(name)
            if found is not None:
                return found
        return None


def _names(model: str) -> list[str]:
    """A model's name as given, then without what providers add to it."""
    plain = _SUFFIX.sub("", model.strip())
    last = plain.rsplit("/", 1)[-1]
    names = [model, plain, last, _DATE.sub("", last), ALIASES.get(last.lower(), "")]
    return list(dict.fromkeys(n for n in names if n))


def _from_data(model: str) -> Price | None:
    from genai_prices import Usage, calc_price

    def dollars(**counts: int) -> Decimal:
        return calc_price(Usage(**counts), model_ref=model).total_price

    try:
        per = [
            dollars(input_tokens=_SAMPLE),
            dollars(output_tokens=_SAMPLE),
            dollars(input_tokens=_SAMPLE, cache_read_tokens=_SAMPLE),
            dollars(input_tokens=_SAMPLE, cache_write_tokens=_SAMPLE),
        ]
    except (LookupError, ValueError):
        return None
    read, created = per[2], per[3]
    pico = [int(p * PICO / _SAMPLE) for p in (per[0], per[1], read, created)]
    return Price(pico[0], pico[1], pico[2], pico[3], 2 * pico[0] if pico[3] != pico[0] else pico[3])


def _read_override(path: Path) -> dict[str, Price]:
    try:
        models = tomllib.loads(path.read_text()).get("models", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"the price file {path} cannot be read: {error}") from None
    found = {}
    for name, table in models.items():
        try:
            found[name] = Price(
                *(_per_million(table, key) for key in ("input", "output", "cache_read", "cache_write", "cache_write_1h"))
            )
        except (TypeError, ValueError, ArithmeticError, AttributeError):
            raise ConfigError(
                f"the price file {path}: [models.{name}] needs numbers for input, output, cache_read, cache_write"
            ) from None
    return found


def _per_million(table: dict[str, Any], key: str) -> int:
    value = table.get(key)
    if value is None:
        value = 0 if not key.startswith("cache") else table.get("input", 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError(key)
    return int(Decimal(str(value)) * PICO / 1_000_000)
