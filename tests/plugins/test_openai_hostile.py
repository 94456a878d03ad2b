"""A server of models, or an agent's command, that means no good: nothing waits for ever, grows for ever or tells a key."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rig import PluginError
from rig_openai.answers import MAX_ANSWER, MAX_NAME, Answer
from rig_openai.config import OpenAIConfig
from rig_openai.conversation import Conversation
from rig_openai.refusals import Refused
from rig_openai.server import Server

KEY = "made-up-key-0123456789"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
Writing = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(write: Writing) -> AsyncIterator[str]:
    """The address of a server that answers every request with what ``write`` writes, and then says nothing more."""
    gone = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            await write(writer)
            await gone.wait()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        gone.set()
        server.close()


def event(text: str) -> bytes:
    chunk = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


async def asked(write: Writing, ask: str = "answer") -> Any:
    """What a session gets of such a server, which may be silent for a second."""

    async def nothing(_: Any) -> None: ...

    async with asyncio.timeout(8), serving(write) as address:
        config = OpenAIConfig(base_url=address, api_key=KEY, answer_seconds=1, attempts=1)
        async with Server(address, config) as server:
            return await (server.models() if ask == "models" else server.answer({"model": "m"}, nothing, nothing))


@pytest.mark.parametrize(
    "piece",
    [b": still there\n\n", b'data: {"choices": []}\n\n', b'data: {"choices": [{"delta": {"tool_calls": [{"index": 0}]}}]}\n\n'],
)
async def test_a_stream_that_says_nothing_is_silence(piece: bytes) -> None:
    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + event("Half"))
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.05)

    with pytest.raises(Refused, match="was silent for 1 s"):
        await asked(write)


@pytest.mark.parametrize("ask", ["answer", "models"])
@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"])
async def test_an_answer_that_comes_byte_by_byte_is_not_waited_for(head: bytes, ask: str) -> None:
    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(b" " if head.endswith(b"\r\n\r\n") else b"X: y\r\n")
            await writer.drain()
            await asyncio.sleep(0.1)

    with pytest.raises(Refused, match="silent for 1 s|TimeoutError"):
        await asked(write, ask)


async def test_an_answer_is_over_with_its_last_event_also_when_the_stream_is_not() -> None:
    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + event("All of it.") + b"data: [DONE]\n\n")
        await writer.drain()

    answer = await asked(write)
    assert (answer.text, answer.finish) == ("All of it.", "stop")


@pytest.mark.parametrize("status", [200, 400, 401, 503])
@pytest.mark.parametrize("filling", [440, 490])
async def test_no_part_of_a_key_is_told_where_an_error_is_cut(status: int, filling: int) -> None:
    said = json.dumps({"error": {"message": "x" * filling + KEY, "code": 400}}).encode()

    async def write(writer: asyncio.StreamWriter) -> None:
        body = said if status != 200 else b"data: " + said + b"\n\n"
        head = HEAD if status == 200 else f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        writer.write(head + body)
        await writer.drain()

    with pytest.raises(Refused) as raised:
        await asked(write)
    assert KEY[:8] not in raised.value.message


def test_the_name_of_a_call_has_an_end() -> None:
    answer = Answer()
    for number in range(1000):
        answer.take(
            {"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "x" * 999, "function": {"name": f"{number}"}}]}}]}
        )
    (call,) = answer.calls
    assert (len(call.name), len(call.identity)) == (MAX_NAME, MAX_NAME)


def test_an_answer_of_many_parts_takes_a_time_that_grows_with_its_length_alone() -> None:
    def taken(parts: int) -> float:
        answer = Answer()
        began = time.process_time()
        for _ in range(parts):
            answer.take(
                {"choices": [{"delta": {"content": "abcd", "tool_calls": [{"index": 0, "function": {"arguments": "é"}}]}}]}
            )
        assert (len(answer.text), len(answer.calls[0].arguments), answer.size) == (4 * parts, parts, 5 * parts)
        return time.process_time() - began

    short = min(taken(10_000) for _ in range(3))
    assert taken(200_000) < 100 * short, "twenty times as long; each part would take longer than the one before"


def test_an_answer_without_an_end_is_not_kept() -> None:
    answer, part = Answer(), {"choices": [{"delta": {"content": "x" * (MAX_ANSWER // 4)}}]}
    for _ in range(4):
        answer.take(part)
    with pytest.raises(PluginError, match="has no end"):
        answer.take(part)


@pytest.mark.parametrize("made", ["pipe", "folder", "device"])
def test_a_conversation_that_became_something_else_is_not_waited_for(tmp_path: Path, made: str) -> None:
    conversation = Conversation.begin(tmp_path)
    file = tmp_path / ".rig-openai" / f"{conversation.identity}.jsonl"
    if made == "pipe":
        os.mkfifo(file)
    elif made == "folder":
        file.mkdir()
    else:
        file.symlink_to("/dev/zero")
    assert Conversation.resume(tmp_path, conversation.identity) is None
    with pytest.raises(OSError, match="."):
        conversation.add({"role": "user", "content": "hello"})


def test_a_conversation_in_a_folder_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    conversation = Conversation.begin(tmp_path)
    conversation.add({"role": "user", "content": "hello"})
    (tmp_path / ".rig-openai").rename(tmp_path / "elsewhere")
    (tmp_path / ".rig-openai").symlink_to(tmp_path / "elsewhere")
    assert Conversation.resume(tmp_path, conversation.identity) is None
    with pytest.raises(OSError, match="."):
        conversation.add({"role": "user", "content": "hello"})
