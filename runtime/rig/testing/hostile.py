"""What strangers send: texts, JSON and bytes that break what is not on its guard."""

import json
from typing import Any

TEXTS: tuple[str, ...] = (
    "",
    " ",
    "a\0b",
    "\ud800 half a pair",
    "\x1b]8;;http://evil\x07click\x1b[31m",
    "right\u202eleft\u200b",
    "<script>alert(1)</script> & <!channel> @everyone `code` *bold* [a](javascript:b)",
    "{{ config }} {% raw %} ${HOME} $(id) `id` %s %(x)s {0.__class__}",
    "../../etc/passwd",
    "'; DROP TABLE issues; --",
    "line\r\nContent-Length: 0\r\n\r\n",
    "e\u0301\u00fc\U0001f600" * 50,
    "x" * 1_000_000,
)

STORED: tuple[str, ...] = tuple(text for text in TEXTS if "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text))
"""Those that may stand in the log, and so in prompts, titles and questions: without NUL and half surrogate pairs."""

VALUES: tuple[Any, ...] = (None, True, -1, 2**63, 1e308, float("nan"), [], {}, [[]], {"a": {"a": {}}}, *TEXTS[:5])
"""JSON values of every type, none of which is what was asked for."""

BODIES: tuple[bytes, ...] = (
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"1e999",
    b"{",
    b"\xff\xfe\x00",
    b"\0" * 64,
    b"[" * 50_000,
    b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    b'{"type": 1, "action": [], "issue": {"number": "x", "labels": [1, null, {"name": 5}]}, "repository": "r"}',
    b'{"type": "a\\u0000b", "data": {"id": "\\ud800", "title": null}, "type": "b"}',
    json.dumps({"type": "x" * 100_000, "action": "y" * 100_000}).encode(),
    b'{"type": "' + b"z" * 1_000_000 + b'"}',
)
"""Bodies that are no JSON, not the right JSON, or too much of it."""


def broken(value: Any, bad: Any, depth: int = 4) -> list[Any]:
    """Copies of a JSON value, each with another one of its parts replaced by ``bad`` (down to ``depth``)."""
    found: list[Any] = [bad]
    if depth and isinstance(value, dict):
        found += [{**value, key: one} for key, inner in value.items() for one in broken(inner, bad, depth - 1)]
        found += [{k: v for k, v in value.items() if k != key} for key in value]
    elif depth and isinstance(value, list):
        found += [[*value[:i], one, *value[i + 1 :]] for i, inner in enumerate(value) for one in broken(inner, bad, depth - 1)]
    return found
