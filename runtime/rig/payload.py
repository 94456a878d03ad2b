"""Reads fields out of untrusted JSON: what has not the expected shape is missing, and texts come clean and cut. Pure.

Public, for authors of webhook sources.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rig.errors import MalformedJson

MAX_LABELS = 100

MAX_NUMBER = 2**53 - 1

PRIORITY = re.compile(r"^(?:priority|prio|p)[\s:/_-]*(critical|urgent|high|normal|medium|low|[0-4])$", re.IGNORECASE)
"""Labels that name a priority: ``priority:high``, ``priority/low``, ``P1``."""

WORDS = {"urgent": "critical", "medium": "normal", "0": "critical", "1": "high", "2": "normal", "3": "low", "4": "low"}

ORDER = ("critical", "high", "normal", "low")


MAX_ID = 200
"""Characters of a delivery's id."""


def decoded(text: str | bytes) -> Any:
    """JSON of any kind; raises MalformedJson, also for what is nested too deeply."""
    try:
        return json.loads(text.decode() if isinstance(text, bytes) else text)
    except (ValueError, RecursionError):
        raise MalformedJson("the delivery is not acceptable JSON") from None


def decoded_object(text: str | bytes) -> dict[str, Any]:
    """A JSON object; raises MalformedJson."""
    found = decoded(text)
    if not isinstance(found, dict):
        raise MalformedJson("the delivery must be a JSON object")
    return found


def identifier(value: str | None) -> str | None:
    """A header's value as the id of a delivery: stripped; None when it is missing, too long or not printable."""
    value = (value or "").strip()
    return value if value and len(value) <= MAX_ID and value.isprintable() else None


def clean(value: str, limit: int) -> str:
    """``value`` without what no store can keep (NUL, half surrogate pairs), at most ``limit`` characters long."""
    return value[:limit].replace("\0", "").encode("utf-8", "replace").decode()


def node(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object within an object, empty when there is none."""
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def nodes(data: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The objects of a list within an object."""
    value = data.get(name)
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def text(data: Mapping[str, Any], name: str, limit: int) -> str:
    """A text, empty when there is none."""
    value = data.get(name)
    return clean(value, limit) if isinstance(value, str) else ""


def integer(data: Mapping[str, Any], name: str) -> int | None:
    """A positive whole number, None when there is none."""
    value = data.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_NUMBER else None


def labels(issue: Mapping[str, Any]) -> list[str]:
    """The names of an issue's labels."""
    return [name for label in nodes(issue, "labels")[:MAX_LABELS] if (name := text(label, "name", 200))]


def priority(names: Sequence[str]) -> str | None:
    """The highest priority that a label names, None when none does."""
    found = {WORDS.get(m[1].lower(), m[1].lower()) for name in names if (m := PRIORITY.match(name.strip()))}
    return next((word for word in ORDER if word in found), None)
