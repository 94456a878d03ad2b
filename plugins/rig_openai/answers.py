"""An answer of the model, put together from the chunks of its stream. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rig import PluginError, Usage

Message = dict[str, Any]

MAX_ANSWER = 4 << 20
"""Characters of an answer, its tool calls included."""
MAX_CALLS = 64
"""Tool calls in one answer."""
MAX_NAME = 200
"""Characters of the name and the id of a call."""
MAX_PARTS = 10_000
"""Parts of a text that are kept apart; each takes more memory than it has characters."""
MAX_COUNT = 10**12


@dataclass
class ToolCall:
    """A call as the model wrote it."""

    identity: str
    name: str = ""
    arguments: str = ""
    """JSON text, or what the model took for it."""


@dataclass
class Text:
    """A text that comes in parts; they are joined when it is read, as adding each to the text would copy all of it each time."""

    parts: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        self.parts = ["".join(self.parts)]
        return self.parts[0]


@dataclass
class _Call:
    """A call of which more may come."""

    identity: str
    name: str = ""
    arguments: Text = field(default_factory=Text)


@dataclass
class Answer:
    """One answer, complete once ``finish`` is set."""

    finish: str | None = None
    """``stop``, ``tool_calls``, ``length`` and whatever else a server says; None: it broke off."""
    tokens: Mapping[str, Any] | None = None
    """The server's own ``usage``, None where it gave none."""
    size: int = 0
    """Characters of all that it holds."""
    _text: Text = field(default_factory=Text)
    _reasoning: Text = field(default_factory=Text)
    _calls: list[_Call] = field(default_factory=list)
    _by_index: dict[int, _Call] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return str(self._text)

    @property
    def reasoning(self) -> str:
        return str(self._reasoning)

    @property
    def calls(self) -> list[ToolCall]:
        """The calls as far as they have come."""
        return [ToolCall(call.identity, call.name, str(call.arguments)) for call in self._calls]

    def take(self, chunk: Mapping[str, Any]) -> None:
        """Add a chunk, or a whole answer that was not streamed. Raises PluginError for one without an end."""
        if isinstance(tokens := chunk.get("usage"), dict):
            self.tokens = tokens
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        for part in (choice.get("delta"), choice.get("message")):
            if isinstance(part, dict):
                self._part(part)
        if isinstance(finish := choice.get("finish_reason"), str):
            self.finish = finish

    def usage(self, asked: str) -> Usage | None:
        """Its tokens in disjoint counts (conventions §9), None where the server gave none. ``asked``: the model asked for."""
        if self.tokens is None:
            return None
        details = self.tokens.get("prompt_tokens_details")
        details = details if isinstance(details, dict) else {}
        given = _count(self.tokens.get("prompt_tokens"))
        read = min(given, _count(details.get("cached_tokens")))
        written = min(given - read, _count(details.get("cache_write_tokens")))
        return Usage(asked, given - read - written, _count(self.tokens.get("completion_tokens")), read, written)

    def _part(self, part: Mapping[str, Any]) -> None:
        text = _text(part.get("content"))
        reasoning = _text(part.get("reasoning_content")) or _text(part.get("reasoning"))
        self._add(self._text, text)
        self._add(self._reasoning, reasoning)
        calls = part.get("tool_calls")
        for place, call in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(call, dict):
                self._call(call, place)

    def _call(self, part: Mapping[str, Any], place: int) -> None:
        """A call, or a part of one; servers differ in whether they number calls, and some give every call the number 0."""
        index = part.get("index")
        index = index if isinstance(index, int) else place
        identity = str(part.get("id") or "")[:MAX_NAME]
        call = self._by_index.get(index)
        if call is None or identity and identity != call.identity:
            if len(self._calls) >= MAX_CALLS:
                raise PluginError(f"the model makes more than {MAX_CALLS} tool calls at once")
            call = _Call(identity or f"call_{len(self._calls)}")
            self._by_index[index] = call
            self._calls.append(call)
        function = part.get("function")
        function = function if isinstance(function, dict) else {}
        if (name := _text(function.get("name"))) != call.name:  # some servers repeat it in every part
            call.name = (call.name + name)[:MAX_NAME]
        arguments = function.get("arguments")
        self._add(call.arguments, json.dumps(arguments) if isinstance(arguments, dict) else _text(arguments))

    def _add(self, text: Text, part: str) -> None:
        if part:
            text.parts.append(part)
        if len(text.parts) > MAX_PARTS:
            str(text)
        self.size += len(part)
        if self.size > MAX_ANSWER:
            raise PluginError("the model's answer has no end")


def words(error: Any) -> str:
    """What a server says of an error, in one line."""
    said: Any = error
    while isinstance(said, dict):
        said = said.get("message") or said.get("error") or said.get("detail") or said.get("code") or ""
    if isinstance(said, list):
        said = json.dumps(said)
    return " ".join(str(said or "error").split())[:500]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT else 0
