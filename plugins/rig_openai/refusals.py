"""What a server means with an answer that is none: try again, and when, or why not. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rig import PluginError
from rig.outgoing import retry_after
from rig_openai.answers import words

AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
LONGEST_WAIT = 600
"""Seconds that a server may ask to be left alone; one that asks for more ends the session."""
LONGEST_PAUSE = 60.0
"""Seconds between two attempts where the server asks for none."""

_CONTEXT = re.compile(
    r"context[_ ](?:length|window|size)|maximum (?:model|input|sequence) length|prompt is too long|too many tokens|"
    r"max_model_len|exceeds? the (?:available|maximum) context|input is too long",
    re.IGNORECASE,
)
_TOOLS = re.compile(r"tool[_ -]?(?:choice|call)|\btools\b|function[_ ]call", re.IGNORECASE)
_SPENT = re.compile(r"insufficient_quota|billing|credit balance", re.IGNORECASE)


class Refused(PluginError):
    """The server did not give an answer."""


class TooLong(Refused):
    """The conversation does not fit the model's context any more."""


class NoTools(Refused):
    """The server, or the model, knows no tool calls."""


class NoModel(Refused):
    """The server has no such model."""


class Busy(Refused):
    """The server may answer the same request later."""

    seconds: float | None = None
    """How long it asks to be left alone, None when it does not say."""


@dataclass(frozen=True)
class Said:
    """An answer that is none."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def refusal(self, *, tools: bool) -> Refused:
        """What to raise for it; ``tools`` says whether tools were sent along."""
        data = _json(self.body)
        said = words(data) if data is not None else " ".join(self.body[:300].decode("utf-8", "replace").split())
        whole = self.body[:10_000].decode("utf-8", "replace")
        text = f"the server answers {self.status}: {said}" if said else f"the server answers {self.status}"
        if self.status in (400, 413, 422) and _CONTEXT.search(whole):
            return TooLong(f"the conversation is longer than the model's context: {said}")
        if tools and self.status in (400, 404, 422, 500, 501) and _TOOLS.search(said):
            return NoTools(text)
        if self.status == 404:
            return NoModel(text)
        if self.status in (401, 403):
            return Refused(f"{text}; look at its api_key")
        if self.status not in AGAIN or self.status == 429 and _SPENT.search(whole):
            return Refused(text)
        busy = Busy(text)
        busy.seconds = retry_after(self.headers)
        if busy.seconds is not None and busy.seconds > LONGEST_WAIT:
            return Refused(f"{text}; it asks to be left alone for {busy.seconds:g} s")
        return busy


def pause(attempt: int, seconds: float | None, share: float) -> float:
    """Seconds before the next attempt: what the server asks for, else twice as long each time. ``share``, 0 to 1, spreads them."""
    grown = min(LONGEST_PAUSE, 2.0 ** min(attempt, 10) / 2)
    return seconds + share if seconds is not None else grown * (0.75 + share / 2)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
