"""Layers of values, lowest first, and how they become one: later ones win, and every key remembers who set it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Values = dict[str, Any]
Origin = str
"""``default``, ``file``, ``environment``, ``overlay`` or ``command line``."""


@dataclass(frozen=True)
class Layer:
    """Values from one place."""

    origin: Origin
    values: Mapping[str, Any]
    names: Mapping[str, str]
    """Dotted key to what people call its source, for messages: a variable's name; absent keys have ``place``."""
    place: str
    """The file, ``environment``, ``overlay`` or ``command line``."""

    def source(self, key: str) -> str:
        """What to call the place that ``key`` was set in."""
        return next((name for known, name in self.names.items() if _within(key, known) or _within(known, key)), self.place)


def merge(layers: list[Layer]) -> tuple[Values, dict[str, Layer]]:
    """All values, and which layer set each leaf. Tables are merged; arrays and single values are replaced."""
    values: Values = {}
    setters: dict[str, Layer] = {}
    for layer in layers:
        merge_into(values, layer.values)
        for key, _ in leaves(layer.values):
            for other in [k for k in setters if _within(k, key) or _within(key, k)]:
                del setters[other]
            setters[key] = layer
    return values, setters


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of everything that is not a table with something in it."""
    for key, value in values.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{path}.")
        else:
            yield path, value


def nested(flat: Mapping[str, Any]) -> Values:
    """Dotted keys as tables in tables; the inverse of ``leaves``."""
    values: Values = {}
    for key, value in flat.items():
        *tables, last = key.split(".")
        inner = values
        for table in tables:
            below = inner.get(table)
            if not isinstance(below, dict):
                below = inner[table] = {}
            inner = below
        inner[last] = value
    return values


def merge_into(into: Values, over: Mapping[str, Any]) -> None:
    """Put ``over`` on top of ``into``, which is changed; ``over`` never is, nor shares a table with it."""
    for key, value in over.items():
        if isinstance(value, Mapping):
            below = into.get(key)
            if not isinstance(below, dict):
                below = into[key] = {}
            merge_into(below, value)
        else:
            into[key] = value


def _within(key: str, table: str) -> bool:
    return key == table or key.startswith(f"{table}.")
