"""The price book: base prices of a model in picodollars a token, and the cost of a usage line."""

import asyncio
import re
import time
import tomllib
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import msgspec

from rig.errors import ConfigError
from rig.model.costs import PICO, Cost, Price, cost, picodollars
from rig.model.rows import Tokens

ALIASES = {"opus": "claude-opus-5-5", "sonnet": "claude-sonnet-5-5", "haiku": "claude-haiku-5-5"}
"""What agents call a model when they mean the newest of its line."""

HIGHEST = 1_000_000
"""Dollars for a million tokens; with dearer ones, sums of large ledgers would outgrow their columns."""

PATIENCE = 4.0
"""Seconds after which a source is asked for no further spelling of a model's name."""

_SUFFIX = re.compile(r"\[[^\]]*\]$")
_DATE = re.compile(r"-20\d{6}$")


class Listed(Protocol):
    """Prices of a model in dollars for a million tokens (``rig.plugin.pricing.ModelPrice``)."""

    @property
    def input(self) -> Decimal: ...
    @property
    def output(self) -> Decimal: ...
    @property
    def cache_read(self) -> Decimal: ...
    @property
    def cache_write(self) -> Decimal: ...
    @property
    def cache_write_1h(self) -> Decimal: ...


class Source(Protocol):
    """What knows prices (``rig.plugin.guarded.GuardedPrices``)."""

    name: str

    def price(self, model: str) -> Listed | None: ...


class PriceBook:
    """Looks up each model once. Unknown models are remembered as such and counted by whoever asks."""

    def __init__(self, override: Path | None = None, sources: Callable[[], Iterable[Source]] = tuple) -> None:
        """``override`` is a TOML file of ``[models.<name>]`` tables with dollars per million tokens; raises ConfigError.

        ``sources`` are asked in their order for what the file does not have.
        """
        self._override = _read_override(override) if override else {}
        self._file = f"{override.name}" if override else ""
        self._sources = sources
        self._known: dict[str, tuple[Price | None, str]] = {}

    async def learn(self, model: str) -> None:
        """Look a model up off the loop, so that ``cost`` need not wait for a source."""
        if model not in self._known:
            await asyncio.to_thread(self.price, model)

    def price(self, model: str) -> Price | None:
        """Base prices of a model by any of its usual names, None when it is unknown."""
        return self._found(model)[0]

    def cost(self, model: str, tokens: Tokens, reported: Any = None, one_hour: int = 0) -> dict[str, Any]:
        """``meta.cost`` of a usage event. ``reported`` is dollars as the agent posted them, None when it said nothing."""
        price, source = self._found(model)
        found: Cost = cost(tokens, None if reported is None else picodollars(reported), price, source, one_hour)
        built: dict[str, Any] = msgspec.to_builtins(found)
        return built

    def _found(self, model: str) -> tuple[Price | None, str]:
        """(prices, who said them): the source's name with its version, or those that were asked in vain."""
        if model not in self._known:
            if len(self._known) >= 2000:  # names are clients' words: they must not fill the memory
                self._known.clear()
            self._known[model] = self._look_up(model)
        return self._known[model]

    def _look_up(self, model: str) -> tuple[Price | None, str]:
        names, asked = _names(model), []
        for name in names:
            if name in self._override:
                return self._override[name], self._file
        for source in tuple(self._sources()):
            asked.append(source.name)
            began = time.monotonic()
            for name in names:
                if time.monotonic() - began > PATIENCE:
                    break  # it hangs: who posts usage waits for it
                found = source.price(name)
                price = None if found is None else _pico(found)
                if price is not None:
                    return price, source.name
        return None, ", ".join(asked)


def _pico(listed: Listed) -> Price | None:
    """In picodollars a token; None for what no price can be."""
    kinds = (listed.input, listed.output, listed.cache_read, listed.cache_write, listed.cache_write_1h)
    if not all(Decimal(dollars).is_finite() and 0 <= dollars <= HIGHEST for dollars in kinds):
        return None
    return Price(*(int(Decimal(dollars) * PICO / 1_000_000) for dollars in kinds))


def _names(model: str) -> list[str]:
    """A model's name as given, then without what providers add to it."""
    plain = _SUFFIX.sub("", model.strip())
    last = plain.rsplit("/", 1)[-1]
    names = [model, plain, last, _DATE.sub("", last), ALIASES.get(last.lower(), "")]
    return list(dict.fromkeys(n for n in names if n))


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
                f"the price file {path}: [models.{name}] needs numbers from 0 to {HIGHEST} for input, output, cache_read, cache_write"
            ) from None
    return found


def _per_million(table: dict[str, Any], key: str) -> int:
    value = table.get(key)
    if value is None:
        value = 0 if not key.startswith("cache") else table.get("input", 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= HIGHEST:
        raise ValueError(key)
    return int(Decimal(str(value)) * PICO / 1_000_000)
