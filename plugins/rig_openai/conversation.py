"""The conversation of a session: kept as JSON lines in the attempt's home, so that a later attempt goes on with it.

Messages have the form of the API's own tool calls, whatever form the model was spoken to in; ``plain`` turns them into text.
"""

import errno
import json
import os
import re
import stat
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rig_openai.answers import Message, ToolCall

_IDENTITY = re.compile(r"[0-9a-f]{32}")
MAX_STORED = 64 << 20
"""Bytes of a conversation that is gone on with."""
MAX_KEPT = 400
"""Characters that are left of a result where the conversation is too long for the model."""
LEFT_OUT = "\n[the rest is left out: the conversation was too long for you; ask for less at once if you need it again]"
UNKNOWN = "interrupted; whether this was done is not known"
"""Result of a call that was under way when its session ended."""


class Conversation:
    """The messages so far, without the instructions. Methods that touch the file block."""

    def __init__(self, identity: str, file: Path, messages: list[Message]) -> None:
        self.identity = identity
        self.messages = messages
        self._file = file

    @classmethod
    def begin(cls, home: Path) -> "Conversation":
        """A new one in a home."""
        folder = home / ".rig-openai"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        identity = uuid.uuid4().hex
        return cls(identity, folder / f"{identity}.jsonl", [])

    @classmethod
    def resume(cls, home: Path, identity: str) -> "Conversation | None":
        """One that an earlier session left, None when it is gone. What can't be read of it is left out."""
        file = home / ".rig-openai" / f"{identity}.jsonl"
        if not _IDENTITY.fullmatch(identity):
            return None
        try:
            with os.fdopen(_opened(file, os.O_RDONLY), "rb") as stored:
                lines = stored.read(MAX_STORED).split(b"\n")
        except OSError:
            return None
        return cls(identity, file, whole([message for line in lines if (message := _message(line)) is not None]))

    def add(self, *messages: Message) -> None:
        """Append messages, on the disk as well."""
        self.messages.extend(messages)
        data = b"".join(json.dumps(message).encode() + b"\n" for message in messages)
        with os.fdopen(_opened(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab") as stored:
            stored.write(data)

    def shorten(self) -> int:
        """Cut the older half of the long results, but on the disk; how many there were, 0 when there is nothing to cut."""
        long = [m for m in self.messages if m["role"] == "tool" and len(m["content"]) > MAX_KEPT]
        older = long[: -(-len(long) // 2)]
        for message in older:
            message["content"] = message["content"][: MAX_KEPT - len(LEFT_OUT)] + LEFT_OUT
        return len(older)


def said(text: str, calls: Sequence[ToolCall]) -> Message:
    """What the model said. Arguments that are no JSON object are put into one: servers refuse a conversation that holds others."""
    message: Message = {"role": "assistant", "content": text}
    if calls:
        functions = [{"name": call.name or "unknown", "arguments": _sound_arguments(call.arguments)} for call in calls]
        named = zip(calls, functions, strict=True)
        message["tool_calls"] = [{"id": call.identity, "type": "function", "function": f} for call, f in named]
    return message


def result(call: ToolCall, text: str) -> Message:
    """What came of a call."""
    return {"role": "tool", "tool_call_id": call.identity, "content": text}


def whole(messages: Sequence[Message]) -> list[Message]:
    """Messages of which every call has its result, and every result its call."""
    made: list[Message] = []
    open_calls: list[str] = []

    def close() -> None:
        made.extend({"role": "tool", "tool_call_id": call, "content": UNKNOWN} for call in open_calls)
        open_calls.clear()

    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] in open_calls:
                open_calls.remove(message["tool_call_id"])
                made.append(message)
            continue
        close()
        open_calls.extend(call["id"] for call in message.get("tool_calls", ()))
        made.append(message)
    close()
    return made


def plain(messages: Sequence[Message]) -> list[Message]:
    """The same without tool calls: calls are blocks of text, and what follows an answer is one message of the user's."""
    made: list[Message] = []
    names: dict[str, str] = {}
    for message in messages:
        text = message["content"]
        if message["role"] == "assistant":
            for call in message.get("tool_calls", ()):
                function = call["function"]
                names[call["id"]] = function["name"]
                block = json.dumps({"name": function["name"], "arguments": json.loads(function["arguments"])})
                text = f"{text}\n\n```tool\n{block}\n```".strip()
            made.append({"role": "assistant", "content": text})
            continue
        if message["role"] == "tool":
            text = f"Result of {names.get(message['tool_call_id'], 'the tool')}:\n{text}"
        if made and made[-1]["role"] == "user":
            made[-1] = {"role": "user", "content": f"{made[-1]['content']}\n\n{text}"}
        else:
            made.append({"role": "user", "content": text})
    return made


def _opened(file: Path, flags: int) -> int:
    """An ordinary file in a folder that is no link, whatever the agent's commands have made of either; a pipe is not waited for."""
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        descriptor = os.open(file.name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600, dir_fd=folder)
    finally:
        os.close(folder)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "the conversation's file is no ordinary file")


def _sound_arguments(arguments: str) -> str:
    try:
        data = json.loads(arguments or "{}", strict=False)
    except (ValueError, RecursionError):
        data = None
    return json.dumps(data if isinstance(data, dict) else {"invalid": arguments[:1000]})


def _message(line: bytes) -> Message | None:
    """A message out of the file, None for anything that is none: the agent's commands can write there."""
    try:
        data: Any = json.loads(line)
        calls = data.get("tool_calls", [])
        sound = data["role"] in ("user", "assistant", "tool") and isinstance(data["content"], str)
        sound = sound and (data["role"] != "tool" or isinstance(data["tool_call_id"], str))
        sound = sound and all(isinstance(call["id"], str) and isinstance(call["function"]["name"], str) for call in calls)
        sound = sound and all(isinstance(json.loads(call["function"]["arguments"]), dict) for call in calls)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return data if sound else None
