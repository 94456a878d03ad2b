"""The lines that Rig writes to the program, and what it reads of the control protocol: permission requests and answers. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from rig import Model

Message = Mapping[str, Any]

END = "(That is all.)"
"""Follows what is said, in a block of its own: the program takes the last block alone for something typed, in which ``@path``
reads a file, asking nobody, and ``/word`` is a command. What is said is text of issues and people, for the agent to read.
"""

MAX_SHOWN = 3_000
"""Characters of a tool call that are shown to who is asked."""


def line(message: Message) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode() + b"\n"


def user(text: str, identity: str | None = None) -> Message:
    """Something said to the agent: the prompt, or a word on the way, which comes back with its ``identity`` (a UUID) once it is heard."""
    blocks = [{"type": "text", "text": text}, {"type": "text", "text": END}]
    content = {"role": "user", "content": blocks}
    named = {"uuid": identity} if identity else {}
    return {"type": "user", "message": content, "parent_tool_use_id": None, "session_id": "", **named}


def heard(data: Message) -> str | None:
    """The identity of what the program says it has put into the conversation, None for any other message."""
    identity = data.get("uuid")
    return identity if data.get("type") == "user" and data.get("isReplay") and isinstance(identity, str) else None


def request(identity: str, subtype: str) -> Message:
    """A request of Rig: ``initialize`` or ``interrupt``."""
    return {"type": "control_request", "request_id": identity, "request": {"subtype": subtype}}


def permission(identity: str, asked: Message, allowed: bool) -> Message:
    """The answer to a permission request."""
    given = asked.get("input")
    if allowed:
        return answer(identity, {"behavior": "allow", "updatedInput": given if isinstance(given, dict) else {}})
    return answer(identity, {"behavior": "deny", "message": "it was not allowed"})


def answer(identity: str, said: Message) -> Message:
    return {"type": "control_response", "response": {"subtype": "success", "request_id": identity, "response": said}}


def refusal(identity: str, why: str) -> Message:
    """The answer to a request that is not understood."""
    return {"type": "control_response", "response": {"subtype": "error", "request_id": identity, "error": why}}


def question(asked: Message) -> str | None:
    """What to ask for a tool call; None when its command is too long to be shown, so that nobody could judge it."""
    given = asked.get("input")
    given = given if isinstance(given, dict) else {}
    command = given.get("command")
    if isinstance(command, str) and len(repr(command)) > MAX_SHOWN:  # what is not printable is shown escaped
        return None
    shown = json.dumps(given, ensure_ascii=False, indent=1, default=str)
    if isinstance(command, str) and not given.keys() - {"command", "description", "timeout"}:
        shown = command
    shown = shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}…"
    reason = asked.get("decision_reason")
    because = [f"because: {str(reason)[:500]}"] if reason else []
    return "\n".join([f"claude wants to use {str(asked.get('tool_name') or 'a tool')[:200]}:", shown, *because])


def models(data: Message) -> list[Model] | None:
    """What the answer to ``initialize`` says of models, None for any other line."""
    response = data.get("response")
    body = response.get("response") if isinstance(response, dict) else None
    listed = body.get("models") if isinstance(body, dict) else None
    if data.get("type") != "control_response" or not isinstance(listed, list):
        return None
    return [
        Model(str(entry["value"]), str(entry.get("displayName") or ""), entry["value"] == "default")
        for entry in listed
        if isinstance(entry, dict) and entry.get("value")
    ]
