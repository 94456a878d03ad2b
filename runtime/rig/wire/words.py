"""Values as people read them: times, money, tokens. Whatever came from outside is made harmless here."""

import json
import re
from collections.abc import Mapping
from typing import Any

from rig.clock import Micros, micros
from rig.text import clean, one_line

CELL = 1000
NOTHING = "–"

_ODD = re.compile(r"[^\n\x20-\x7e]")


def word(value: object) -> str:
    """Any value as a harmless text on one line; a dash for none."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(word(v) for v in value) or NOTHING
    return one_line(str(value), CELL)


def ago(instant: str | None, now: Micros) -> str:
    """How long ago an ISO instant was: ``12s``, ``5m``, ``3h``, ``2d``."""
    if not instant:
        return NOTHING
    try:
        seconds = (now - micros(instant)) // 1_000_000
    except ValueError:
        return word(instant)
    seconds = max(seconds, 0)
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def moment(instant: str | None) -> str:
    """An ISO instant to the second, in UTC: ``2026-01-31 12:00:00``."""
    return word(instant)[:19].replace("T", " ")


def money(usd: float | None) -> str:
    """Dollars: to the cent from one dollar on, to a hundredth of a cent below."""
    if usd is None:
        return NOTHING
    return f"${usd:,.2f}" if abs(usd) >= 1 or usd == 0 else f"${usd:.4f}"


def tokens(counts: Mapping[str, int] | None) -> str:
    """All tokens of a count together."""
    return f"{sum(counts.values()):,}" if counts else NOTHING


def short(number: str | None) -> str:
    """A commit's id as git shortens it."""
    return word(number)[:7]


def safe_json(value: Any, indent: int | None = None) -> str:
    """JSON in which every character that could move a cursor or hide is escaped; it reads back as the same value."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=(",", ":") if indent is None else None)
    return _ODD.sub(lambda m: m[0] if clean(m[0]) == m[0] else json.dumps(m[0])[1:-1].replace("\x7f", "\\u007f"), text)
