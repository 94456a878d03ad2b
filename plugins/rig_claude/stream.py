"""Reads the command line's ``stream-json`` output: one JSON object a line to log lines, progress and the result. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rig import Usage

MAX_CALL = 500
"""Characters of a tool call's arguments that are logged."""

MAX_RESULT_LINES = 40
"""Lines of a tool's result that are logged."""

NO_SESSION = "No conversation found"
"""What the program says when the session to resume is gone."""


@dataclass
class Reading:
    """What has been read of one session so far."""

    session_id: str | None = None
    model: str = "unknown"
    """The model that the session began with; usage that names none is its."""
    turns: int = 0
    steps: int = 0
    result: Mapping[str, Any] | None = None
    """The closing object of the last turn, None while one runs."""
    _seen: dict[str, Usage] = field(default_factory=dict)
    """Answers since the last closing object, as they began: their output counts are too low."""
    _exact: dict[str, Usage] = field(default_factory=dict)
    """Those of them that are over, as they ended."""
    _going: dict[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    """The answers under way, by the tool call that runs the agent that gets them: id and message."""
    _due: list[Usage] = field(default_factory=list)
    _reported: list[Usage] = field(default_factory=list)
    _spent: list[Usage] = field(default_factory=list)
    """What the closing objects said so far."""
    _turns: int = 0

    def feed(self, line: bytes) -> list[str]:
        """Take a line; gives the log lines it amounts to. A line that is no JSON object is a log line itself."""
        data = decoded(line)
        if data is None:
            return [line.decode("utf-8", "replace")] if line.strip() else []
        session = data.get("session_id")
        if isinstance(session, str) and session:
            self.session_id = session
        message = data.get("message")
        match data.get("type"):
            case "system" if data.get("subtype") == "init":
                self.model, self.result = _model(data.get("model")) or self.model, None
                return [f"[session] {self.session_id} model {self.model} version {data.get('claude_code_version', '?')}"]
            case "assistant" if isinstance(message, dict):
                return self._assistant(message)
            case "user" if isinstance(message, dict):
                return list(_results(message))
            case "stream_event" if isinstance(data.get("event"), dict):
                self._part(str(data.get("parent_tool_use_id")), data["event"])
            case "result":
                self.result, self._seen, self._exact = data, {}, {}
                self._turns += _count(data, "num_turns")
                self._spent = self._told(data)
        return []

    def usage(self) -> list[Usage]:
        """The session's tokens that ``due`` has not given, one entry a model, with disjoint counts.

        Taken from the closing object; where a turn has none, from the answers seen. What an answer that was cut short put out is
        not known. A cost that the program says is the whole session's: it comes along only where it can't count beside that of
        the tokens given before, which is where the price table decides.
        """
        return _less([*self._spent, *_sums((self._seen | self._exact).values())], self._reported)

    def due(self) -> list[Usage]:
        """The tokens of answers that are over since it was asked last, but for the one that ends a turn.

        So they are known should nothing more be heard of the session. Each counts as told.
        """
        given, self._due = self._due, []
        self._reported += given
        return given

    def _part(self, agent: str, event: Mapping[str, Any]) -> None:
        """A part of an answer: its beginning has the input's counts, its end those of all."""
        message, delta = event.get("message"), event.get("delta")
        if event.get("type") == "message_start" and isinstance(message, dict):
            self._going[agent] = (str(message.get("id")), message)
        elif event.get("type") == "message_delta" and agent in self._going and isinstance(event.get("usage"), dict):
            identity, message = self._going.pop(agent)
            began = message.get("usage")
            counts = {
                **(began if isinstance(began, dict) else {}),
                **{k: v for k, v in event["usage"].items() if v is not None},
            }
            usage = self._exact[identity] = _usage(_model(message.get("model")) or self.model, counts, None)
            if isinstance(delta, dict) and delta.get("stop_reason") == "tool_use":
                self._due.append(usage)

    def _told(self, result: Mapping[str, Any]) -> list[Usage]:
        """What the session has spent by a closing object: its counts by model are the session's so far, the others one turn's."""
        by_model = result.get("modelUsage")
        found = [
            Usage(
                _model(model) or self.model,
                _count(counts, "inputTokens"),
                _count(counts, "outputTokens"),
                _count(counts, "cacheReadInputTokens"),
                _count(counts, "cacheCreationInputTokens"),
                _cost(counts.get("costUSD")),
            )
            for model, counts in (by_model.items() if isinstance(by_model, dict) else ())
            if isinstance(counts, dict)
        ]
        if not found:
            whole = _usage(self.model, result.get("usage"), _cost(result.get("total_cost_usd")))
            found = [*(replace(usage, cost_usd=None) for usage in self._spent), whole]  # the cost is the session's
        return [u for u in found if _tokens(u)]

    @property
    def failure(self) -> str | None:
        """Why the session failed, by the closing object; None when it did well or has none yet."""
        if self.result is None or not self.result.get("is_error"):
            return None
        subtype = str(self.result.get("subtype") or "error")
        errors = self.result.get("errors")
        said = "; ".join(map(str, errors)) if isinstance(errors, list) and errors else str(self.result.get("result") or "")
        kind = "" if subtype == "success" else subtype  # an API error ends as a "success" with is_error
        return ": ".join(part for part in (kind, " ".join(said.split())[:300]) if part) or "error"

    @property
    def summary(self) -> str | None:
        text = None if self.result is None else self.result.get("result")
        return text if isinstance(text, str) and text else None

    @property
    def total_turns(self) -> int:
        return self._turns if self.result is not None else self.turns

    def _assistant(self, message: Mapping[str, Any]) -> list[str]:
        identity = str(message.get("id"))
        if identity not in self._seen:  # a message comes in several lines, one a block
            self.turns += 1
        self._seen[identity] = _usage(_model(message.get("model")) or self.model, message.get("usage"), None)
        lines: list[str] = []
        for block in _blocks(message):
            match block.get("type"):
                case "text":
                    lines += str(block.get("text") or "").splitlines()
                case "tool_use":
                    self.steps += 1
                    arguments = json.dumps(block.get("input"), ensure_ascii=False, default=str)
                    lines.append(f"[tool] {block.get('name')} {_cut(arguments)}")
        return lines


def decoded(line: bytes) -> dict[str, Any] | None:
    """The JSON object of a line, None for any other line."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _results(message: Mapping[str, Any]) -> Iterator[str]:
    for block in _blocks(message):
        if block.get("type") != "tool_result":
            continue
        content = block.get("content")
        if isinstance(content, list):
            content = "\n".join(str(c.get("text") or f"({c.get('type')})") for c in content if isinstance(c, dict))
        lines = str(content or "").splitlines()
        mark = "[error]" if block.get("is_error") else "[result]"
        yield from (f"{mark} {line}" for line in lines[:MAX_RESULT_LINES])
        if len(lines) > MAX_RESULT_LINES:
            yield f"{mark} … {len(lines) - MAX_RESULT_LINES} more lines"


def _blocks(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [b for b in content if isinstance(b, dict)] if isinstance(content, list) else []


def _usage(model: str, counts: Any, cost: str | None) -> Usage:
    counts = counts if isinstance(counts, dict) else {}
    return Usage(
        model,
        _count(counts, "input_tokens"),
        _count(counts, "output_tokens"),
        _count(counts, "cache_read_input_tokens"),
        _count(counts, "cache_creation_input_tokens"),
        cost,
    )


def _sums(usages: Iterable[Usage]) -> list[Usage]:
    by_model: dict[str, list[tuple[int, int, int, int]]] = {}
    for usage in usages:
        by_model.setdefault(usage.model, []).append(_counts(usage))
    sums = [(model, [sum(column) for column in zip(*rows, strict=True)]) for model, rows in by_model.items()]
    return [
        Usage(model, given, made, read, created)
        for model, (given, made, read, created) in sums
        if given + made + read + created
    ]


def _less(whole: Iterable[Usage], told: Iterable[Usage]) -> list[Usage]:
    """``whole`` without what was told of it, whatever name a model had then: no token counts twice."""
    entries = [(usage, list(_counts(usage))) for usage in whole]
    rest = [(usage.model, list(_counts(usage))) for usage in told]
    for same in (True, False):
        for model, counts in rest:
            for usage, left in entries:
                if (usage.model == model) is same:
                    for index, count in enumerate(counts):
                        taken = min(count, left[index])
                        left[index] -= taken
                        counts[index] -= taken
    return [
        replace(
            usage,
            input_tokens=left[0],
            output_tokens=left[1],
            cache_read_tokens=left[2],
            cache_creation_tokens=left[3],
            cost_usd=usage.cost_usd if left == list(_counts(usage)) or any(left[2:]) else None,
        )
        for usage, left in entries
        if any(left)
    ]


def _counts(usage: Usage) -> tuple[int, int, int, int]:
    return usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_creation_tokens


def _tokens(usage: Usage) -> int:
    return sum(_counts(usage))


def _count(counts: Mapping[str, Any], name: str) -> int:
    value = counts.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _cost(value: Any) -> str | None:
    return format(value, "f") if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


def _model(value: Any) -> str | None:
    """A model's name without the mark of its context window, as in ``claude-opus-4-8[1m]``."""
    return value.partition("[")[0] if isinstance(value, str) and value else None


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CALL else f"{text[:MAX_CALL]}…"
