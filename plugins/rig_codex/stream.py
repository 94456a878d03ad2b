"""Reads the program's notifications: items to log lines, token totals to usage, turns and how they ended. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rig import Model, Usage

Message = Mapping[str, Any]

MAX_CALL = 500
"""Characters of a command or of a tool's arguments that are logged."""
MAX_RESULT_LINES = 40
"""Lines of a command's output that are logged."""

TOOLS = ("commandExecution", "fileChange", "mcpToolCall", "dynamicToolCall", "webSearch")
"""Items after which the model is asked again."""

COUNTS = ("inputTokens", "outputTokens", "cachedInputTokens", "cacheWriteInputTokens")
Totals = tuple[int, int, int, int]
"""A thread's tokens so far, in the order of COUNTS; the input includes what the cache gave and took."""
NOTHING: Totals = (0, 0, 0, 0)


@dataclass(frozen=True)
class TurnEnd:
    """How a turn ended."""

    status: str
    """``completed``, ``interrupted`` or ``failed``."""
    reason: str = ""


@dataclass
class Reading:
    """What has been read of one session so far."""

    thread: str = ""
    """The session's own thread; others belong to agents that it started."""
    model: str = "unknown"
    turn: str | None = None
    """The turn that runs, None between turns."""
    ended: TurnEnd | None = None
    """How the last turn ended, None while one runs or before the first."""
    turns: int = 0
    """Turns of the protocol: a prompt with all that follows from it."""
    answers: int = 0
    """Answers of the model to the session's own thread: what other agents and ``max_turns`` call turns."""
    acted: bool = False
    """Whether a tool call of the newest answer is over, so that the model is asked again."""
    steps: int = 0
    summary: str | None = None
    plan: str = ""
    """The step of the agent's plan that it is at."""
    changes: dict[str, str] = field(default_factory=dict)
    """The file changes that are not done yet, by item."""
    _acts: int = 0
    """Tool calls that ended since the answer before."""
    _totals: dict[str, Totals] = field(default_factory=dict)
    limits: str = ""
    """How much of the account's limits is used, in words; empty while nothing was said."""

    def began(self, thread: str, model: Any) -> None:
        self.thread = thread
        self.model = model if isinstance(model, str) and model else self.model

    def starts(self, turn: Any) -> None:
        """The program says that a turn begins, unless it has begun, or is over, by its notifications."""
        if self.turn is None and self.ended is None:
            self.turn = _identity(turn)

    def feed(self, method: str, params: Message) -> list[str]:
        """Take a notification that is not of tokens; gives the log lines it amounts to."""
        item = params.get("item")
        mine = params.get("threadId") == self.thread
        match method:
            case "turn/started" if mine:
                self.turns += 1
                self.turn, self.ended, self.acted, self._acts = _identity(params.get("turn")), None, False, 0
            case "turn/completed" if mine:
                self._turn_completed(params.get("turn"))
            case "turn/plan/updated" if mine:
                self.plan = _current(params.get("plan"))
            case "item/started" if isinstance(item, dict):
                return list(self._started(item))
            case "item/completed" if isinstance(item, dict):
                return list(self._completed(item, mine))
            case "model/rerouted" if mine:
                self.model = str(params.get("toModel") or self.model)
                return [f"[session] model {self.model}"]
            case "account/rateLimits/updated":
                return self._rate_limits(params.get("rateLimits"))
            case "error":
                again = " (tried again)" if params.get("willRetry") else ""
                return [f"[error] {_failure(params.get('error'))}{again}"]
            case "warning" | "configWarning" | "deprecationNotice" | "guardianWarning":
                return [f"[warning] {_line(params.get('message') or params.get('summary'))}"]
        return []

    def usage(self, params: Message) -> Usage | None:
        """The tokens spent since the last ``thread/tokenUsage/updated`` of that thread, in disjoint counts; None: none.

        Totals of a thread that is resumed begin with what earlier sessions reported: of what comes before the session's first
        turn nothing counts, and of a thread never heard of only its last answer does.
        """
        thread, given = str(params.get("threadId")), params.get("tokenUsage")
        if not isinstance(given, dict):
            return None
        now, last = _totals(given.get("total")), _totals(given.get("last"))
        before = self._totals.get(thread)
        self._totals[thread] = now
        if not self.turns:
            return None
        spent = last if before is None else _difference(now, before)
        total, output, read, written = spent
        usage = Usage(self.model, max(0, total - read - written), output, read, written)
        if thread == self.thread and any(spent):
            self.answers, self.acted, self._acts = self.answers + 1, self._acts > 0, 0
        return usage if any(spent) else None

    def _turn_completed(self, turn: Any) -> None:
        turn = turn if isinstance(turn, dict) else {}
        status = str(turn.get("status") or "failed")
        self.turn = None
        self.ended = TurnEnd(status, "" if status == "completed" else _failure(turn.get("error")) or f"the turn was {status}")

    def _started(self, item: Message) -> Iterator[str]:
        match item.get("type"):
            case "commandExecution":
                self.steps += 1
                yield f"[tool] exec {_cut(_line(item.get('command')))}"
            case "fileChange":
                self.steps += 1
                self.changes[str(item.get("id"))] = _changes(item)
                yield from (f"[tool] patch {line}" for line in _paths(item))
            case "mcpToolCall" | "dynamicToolCall":
                self.steps += 1
                name = ".".join(str(part) for part in (item.get("server"), item.get("tool")) if part)
                yield f"[tool] {name} {_cut(json.dumps(item.get('arguments'), ensure_ascii=False, default=str))}"
            case "webSearch":
                self.steps += 1
                yield f"[tool] web_search {_cut(_line(item.get('query')))}"

    def _completed(self, item: Message, mine: bool) -> Iterator[str]:
        bad = item.get("status") in ("failed", "declined")
        if mine and item.get("type") in TOOLS:
            self.acted, self._acts = True, self._acts + 1
        match item.get("type"):
            case "agentMessage" | "plan":
                text = str(item.get("text") or "")
                if mine and item.get("type") == "agentMessage":
                    self.summary = text or self.summary
                yield from text.splitlines()
            case "reasoning":
                for part in item.get("summary") or ():
                    yield from (f"[thought] {line}" for line in str(part).splitlines())
            case "commandExecution":
                yield from _results(item, bad)
            case "fileChange":
                self.changes.pop(str(item.get("id")), None)
                if bad:
                    yield f"[error] the change was {'not allowed' if item.get('status') == 'declined' else 'not applied'}"
            case "mcpToolCall" | "dynamicToolCall" if bad:
                yield f"[error] {_cut(_line(item.get('error') or 'the call failed'))}"

    def _rate_limits(self, limits: Any) -> list[str]:
        windows = [limits.get(name) for name in ("primary", "secondary")] if isinstance(limits, dict) else []
        said = ", ".join(
            f"{window.get('usedPercent')} % of {window.get('windowDurationMins') or '?'} minutes"
            for window in windows
            if isinstance(window, dict)
        )
        if not said or said == self.limits:
            return []
        self.limits = said
        return [f"[limits] used: {said}"]


def heard(method: str, params: Message) -> str | None:
    """The id of a message that is in the conversation now, as whoever sent it called it; None for any other notification."""
    item = params.get("item")
    if method != "item/completed" or not isinstance(item, dict) or item.get("type") != "userMessage":
        return None
    identity = item.get("clientId")
    return identity if isinstance(identity, str) else None


def models(line: bytes) -> list[Model] | None:
    """What the answer to ``model/list``, the second request, says; None for any other line."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or message.get("id") != 2:
        return None
    result = message.get("result")
    listed = result.get("data") if isinstance(result, dict) else None
    return [
        Model(str(entry["id"]), str(entry.get("displayName") or ""), entry.get("isDefault") is True)
        for entry in (listed if isinstance(listed, list) else ())
        if isinstance(entry, dict) and entry.get("id") and not entry.get("hidden")
    ]


def _results(item: Message, bad: bool) -> Iterator[str]:
    lines = str(item.get("aggregatedOutput") or "").splitlines()
    code = item.get("exitCode")
    mark = "[error]" if bad or code else "[result]"
    yield from (f"{mark} {line}" for line in lines[:MAX_RESULT_LINES])
    if len(lines) > MAX_RESULT_LINES:
        yield f"{mark} … {len(lines) - MAX_RESULT_LINES} more lines"
    if item.get("status") == "declined":
        yield "[error] the command was not allowed"
    elif code:
        yield f"[error] exit {code}"


def _paths(item: Message) -> Iterator[str]:
    for change in item.get("changes") or ():
        if isinstance(change, dict):
            kind = change.get("kind")
            yield f"{kind.get('type') if isinstance(kind, dict) else kind} {_line(change.get('path'))}"


def _changes(item: Message) -> str:
    diffs = [str(change.get("diff") or "") for change in item.get("changes") or () if isinstance(change, dict)]
    return "\n".join(part for pair in zip(_paths(item), diffs, strict=True) for part in pair if part)


def _current(plan: Any) -> str:
    steps = [step for step in plan if isinstance(step, dict)] if isinstance(plan, list) else []
    return next((_line(step.get("step"))[:200] for step in steps if step.get("status") == "inProgress"), "")


def _failure(error: Any) -> str:
    if not isinstance(error, dict):
        return ""
    info = error.get("codexErrorInfo")
    kind = next(iter(info), "") if isinstance(info, dict) else info if isinstance(info, str) and info != "other" else ""
    return ": ".join(part for part in (str(kind or ""), _line(error.get("message"))[:300]) if part)


def _identity(turn: Any) -> str | None:
    return str(turn["id"]) if isinstance(turn, dict) and turn.get("id") else None


def _totals(counts: Any) -> Totals:
    counts = counts if isinstance(counts, dict) else {}
    values = [counts.get(name) for name in COUNTS]
    a, b, c, d = (v if isinstance(v, int) and not isinstance(v, bool) and v > 0 else 0 for v in values)
    return a, b, c, d


def _difference(now: Totals, before: Totals) -> Totals:
    a, b, c, d = (max(0, n - b) for n, b in zip(now, before, strict=True))
    return a, b, c, d


def _line(value: Any) -> str:
    return " ".join(str(value or "").split())


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CALL else f"{text[:MAX_CALL]}…"
