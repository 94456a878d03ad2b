"""What a session's log says of answers, calls and results."""

import json

from rig import Session
from rig_openai.answers import Answer, ToolCall
from rig_openai.text import thoughtless
from rig_openai.toolbox import Result

MAX_CALL = 500
"""Characters of a call that are logged."""
MAX_RESULT_LINES = 40
"""Lines of a result that are logged."""


class Telling:
    """Logs one answer while it comes: a line when it is complete, the rest at the end.

    ``whole`` waits for the end of the answer: a text with calls in it is not for people before the calls are taken out.
    """

    def __init__(self, session: Session, *, whole: bool) -> None:
        self._session = session
        self._whole = whole
        self._text = 0
        """Characters that were logged."""
        self._thoughts = 0

    async def heard(self, answer: Answer) -> None:
        """Log what is new of an answer."""
        over = answer.finish is not None
        thoughts, self._thoughts = _lines(answer.reasoning, self._thoughts, over or bool(answer.text))
        lines = [f"[thought] {line}" for line in thoughts]
        if not self._whole:
            texts, self._text = _lines(answer.text, self._text, over)
            lines += texts
        elif over and answer.text and not self._text:
            self._text = len(answer.text)
            text, thought = thoughtless(answer.text)
            lines += [f"[thought] {line}" for line in thought.splitlines()] + text.splitlines()
        if lines:
            await self._session.log(lines, "agent")

    async def waiting(self, why: str) -> None:
        """Log why an answer takes longer; what has come of it is thrown away."""
        self._text = self._thoughts = 0
        await self._session.log([f"[error] {why}"], "agent")


def called(call: ToolCall) -> str:
    """A call in one line."""
    try:
        data = json.loads(call.arguments, strict=False)
    except (ValueError, RecursionError):
        data = None
    shown = " ".join(call.arguments.split())
    if isinstance(data, dict):
        command, path = data.get("command"), data.get("path")
        shown = " ".join(str(path or command or data.get("pattern") or shown).split())
    return f"{call.name or 'unknown'} {shown if len(shown) <= MAX_CALL else f'{shown[:MAX_CALL]}…'}"


def resulted(result: Result) -> list[str]:
    """A result in lines."""
    mark = "[result]" if result.ok else "[error]"
    lines = result.text.splitlines()
    shown = [f"{mark} {line}" for line in lines[:MAX_RESULT_LINES]]
    return [*shown, f"{mark} … {len(lines) - MAX_RESULT_LINES} more lines"] if len(lines) > MAX_RESULT_LINES else shown


def _lines(text: str, told: int, over: bool) -> tuple[list[str], int]:
    """The complete lines of a text after what was told, all of them when it is over, and how much is told then."""
    end = len(text) if over else text.rfind("\n", told) + 1
    return (text[told:end].splitlines(), end) if end > told else ([], told)
