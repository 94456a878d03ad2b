"""Which stdout lines are events: JSON objects with ``type`` usage, progress, question or result. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rig import Usage

COUNTS = {
    "inputTokens": "input_tokens",
    "outputTokens": "output_tokens",
    "cacheReadTokens": "cache_read_tokens",
    "cacheCreationTokens": "cache_creation_tokens",
}
MAX_COUNT = 10**12


@dataclass(frozen=True)
class Progress:
    """The program says that it moves."""

    message: str
    turns: int | None = None
    steps: int | None = None


@dataclass(frozen=True)
class Question:
    """The program wants to know something from a human."""

    question: str
    options: tuple[str, ...] = ()
    deadline_seconds: int | None = None


@dataclass(frozen=True)
class Result:
    """The program's last words."""

    summary: str | None = None
    turns: int = 0
    session_id: str | None = None


@dataclass(frozen=True)
class Bad:
    """A line that looks like an event and isn't one."""

    reason: str


Event = Usage | Progress | Question | Result | Bad


def read(line: bytes, model: str) -> Event | None:
    """The event in a line, None for an ordinary line. ``model`` is that of a usage line which names none."""
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    kind = data.get("type")
    try:
        if kind == "usage":
            return _usage(data, model)
        if kind == "progress":
            return Progress(_text(data, "message") or "progress", _count(data, "turns"), _count(data, "steps"))
        if kind == "question":
            return _question(data)
        if kind == "result":
            summary = _text(data, "result") or _text(data, "summary")
            return Result(summary, _count(data, "turns") or 0, _text(data, "sessionId"))
    except ValueError as error:
        return Bad(f"{kind}: {error}")
    return None


def _usage(data: Mapping[str, Any], model: str) -> Usage:
    counts = {field: _count(data, name) or 0 for name, field in COUNTS.items()}
    cost = data.get("costUsd")
    if cost is not None and (isinstance(cost, bool) or not isinstance(cost, int | float) or not 0 <= cost <= 10**6):
        raise ValueError("costUsd must be a number of dollars")
    return Usage(
        _text(data, "model") or model,
        **counts,
        cost_usd=None if cost is None else str(cost),
        category=_text(data, "category") or "work",
    )


def _question(data: Mapping[str, Any]) -> Question:
    question = _text(data, "question") or _text(data, "message")
    options = data.get("options") or []
    if not question:
        raise ValueError("question is missing")
    if not isinstance(options, list) or not all(isinstance(o, str) for o in options):
        raise ValueError("options must be a list of texts")
    return Question(question, tuple(options), _count(data, "deadlineSeconds"))


def _text(data: Mapping[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} must be a text")
    return value


def _count(data: Mapping[str, Any], name: str) -> int | None:
    value = data.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT):
        raise ValueError(f"{name} must be a whole number from 0 to {MAX_COUNT}")
    return value
