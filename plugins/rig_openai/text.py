"""Tool calls in plain text, for models and servers without calls of their own. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

RULES = """
To use a tool, end your answer with one fenced block that holds its name and arguments as JSON, and write nothing after it:

```tool
{"name": "read", "arguments": {"path": "README.md"}}
```

You are then told its result, and go on. Use one tool at a time. An answer without such a block is your last one.

The tools:
"""

_FENCE = re.compile(r"^[ \t]*```[ \t]*(?:tool|tool_call|tool_use)[ \t]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
_TAG = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
_ACTION = re.compile(r"^Action:[ \t]*`?([A-Za-z_]+)`?[ \t]*\n+Action Input:[ \t]*", re.MULTILINE)
_RESULT = re.compile(r"^(?:Observation|Result of \w+):", re.MULTILINE)
_THOUGHT = re.compile(r"<think>(.*?)(?:</think>|\Z)", re.DOTALL)


@dataclass(frozen=True)
class TextCall:
    """A call that was found in a text."""

    name: str
    arguments: str
    """JSON text; of a block that could not be read, the block as it stands."""
    start: int
    """Where the block begins; what follows it is made up, as the tool has not run yet."""


def described(tools: Sequence[Mapping[str, Any]]) -> str:
    """The rules and the tools, for the model's instructions."""
    lines = []
    for tool in tools:
        function = tool["function"]
        parameters = json.dumps(function["parameters"]["properties"], ensure_ascii=False)
        needed = ", ".join(function["parameters"].get("required", ())) or "nothing"
        lines.append(f"- {function['name']}: {function['description']} Needed: {needed}. Arguments: {parameters}")
    return RULES + "\n".join(lines) + "\n"


def find(text: str, *, tags_only: bool = False) -> TextCall | None:
    """The first call in a text, None when there is none. ``tags_only`` looks for what servers leave in the text of native calls."""
    patterns = (_TAG,) if tags_only else (_FENCE, _TAG)
    found = [match for pattern in patterns if (match := pattern.search(text))]
    match = min(found, key=lambda m: m.start(), default=None)
    if match is not None:
        return TextCall(*_call(match[1].strip()), match.start())
    action = None if tags_only else _ACTION.search(text)
    if action is None:
        return None
    end = made_up.start() if (made_up := _RESULT.search(text, action.end())) else len(text)
    return TextCall(action[1], _object(text[action.end() : end]), action.start())


def thoughtless(text: str) -> tuple[str, str]:
    """A text without the thoughts that a model left in it, and those thoughts."""
    thoughts = "\n".join(match[1].strip() for match in _THOUGHT.finditer(text))
    without = _THOUGHT.sub("", text)
    if "</think>" in without:  # templates that begin the thought themselves leave only its end
        before, _, without = without.rpartition("</think>")
        thoughts = "\n".join(filter(None, [before.strip(), thoughts]))
    return without.strip(), thoughts


def _call(block: str) -> tuple[str, str]:
    try:
        data = json.loads(block, strict=False)  # models forget to escape the ends of lines
    except (ValueError, RecursionError):
        named = re.search(r'"name"\s*:\s*"(\w+)"', block)
        return (named[1] if named else ""), block
    if not isinstance(data, dict):
        return "", block
    arguments = data.get("arguments", data.get("parameters", data.get("input", {})))
    return str(data.get("name") or ""), arguments if isinstance(arguments, str) else json.dumps(arguments)


def _object(text: str) -> str:
    """The JSON object that a text begins with, else the text."""
    text = text.strip().removeprefix("```json").removeprefix("```").strip()
    try:
        data, _ = json.JSONDecoder(strict=False).raw_decode(text)
    except (ValueError, RecursionError):
        return text
    return json.dumps(data)
