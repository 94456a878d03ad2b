"""A stand-in for an OpenAI-compatible server of chat completions, on loopback.

By itself it plays one small conversation: the first answer writes a file with the tool ``write``, the second says some words. File
name, text, words and token counts are drawn anew by each instance. Streams are cut at random bytes, in the middle of characters and
of line ends too, and what it is asked is checked as strictly as servers do.
"""

import asyncio
import json
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True)
class Tokens:
    """Tokens of one answer as such a server reports them: the prompt's include those from its cache."""

    prompt: int
    cached: int
    completion: int

    @classmethod
    def draw(cls, rng: random.Random) -> "Tokens":
        cached = rng.randint(1, 90_000)
        return cls(cached + rng.randint(3, 9_000), cached, rng.randint(20, 4_000))

    @property
    def wire(self) -> dict[str, Any]:
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": {"cached_tokens": self.cached},
        }


@dataclass(frozen=True)
class Reply:
    """An answer of the model."""

    text: str = ""
    calls: Sequence[tuple[str, Any]] = ()
    """Names and arguments; a text is sent as it is, anything else as JSON."""
    reasoning: str = ""
    finish: str | None = None
    """None: what suits it."""
    cut: bool = False
    """Whether the stream breaks off in the middle."""
    error: dict[str, Any] | None = None
    """Sent instead of the rest, in the middle of the stream."""


@dataclass(frozen=True)
class Failure:
    """An answer of the server that is none."""

    status: int
    message: str = "the stand-in is not well"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass
class Chat:
    """The stand-in; use it as an async context manager."""

    seed: int = field(default_factory=lambda: secrets.randbits(64))
    replies: Sequence[Reply | Failure] | None = None
    """What it answers, one after the other; None plays the small conversation."""
    models: Sequence[str] = ("stand-in-1",)
    native: bool = True
    """Whether it knows tool calls; otherwise it says what vLLM says without a parser for them."""
    streaming: bool = True
    usage: bool = True
    context: int | None = None
    """Characters of messages that fit the model; None: any number."""
    models_status: int = 200
    key: str | None = None
    """The only key that is let in."""
    hang_at: int | None = None
    """Number of the request, from 0, whose answer begins and waits for ``release``."""
    port: int = 0

    def __post_init__(self) -> None:
        rng = self._rng = random.Random(self.seed)
        self.file_name = f"made/{rng.getrandbits(48):012x}.txt"
        self.file_text = "".join(rng.choice("abcdefghij \n'\"$`\\äß€😀") for _ in range(rng.randint(20, 200)))
        self.words = f"Wrote what was asked for, {rng.getrandbits(32):08x}: äöü€."
        self.bodies: list[dict[str, Any]] = []
        """What it was asked for an answer, refused or not."""
        self.faults: list[str] = []
        """What was wrong with it."""
        self.reported: list[Tokens] = []
        self.keys: set[str | None] = set()
        self.hanging = asyncio.Event()
        self.broken = asyncio.Event()
        """Set when a client went away in the middle of an answer."""
        self._released = asyncio.Event()
        self._given = 0
        """Replies that were taken from the script."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def spent(self) -> dict[str, int]:
        """What was reported, in disjoint counts."""
        cached = sum(t.cached for t in self.reported)
        return {
            "inputTokens": sum(t.prompt for t in self.reported) - cached,
            "outputTokens": sum(t.completion for t in self.reported),
            "cacheReadTokens": cached,
            "cacheCreationTokens": 0,
        }

    def release(self, then: int | None = None) -> None:
        """Let the answer that hangs go on, from any thread; the request of number ``then`` hangs next, None for none."""
        self.hang_at = then
        self.hanging.clear()
        hung, self._released = self._released, asyncio.Event()
        self._loop.call_soon_threadsafe(hung.set)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/v1/models", self._listed)
        app.router.add_post("/v1/chat/completions", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._released.set()
        await self._runner.cleanup()

    async def _listed(self, request: web.Request) -> web.Response:
        self.keys.add(key := request.headers.get("Authorization"))
        if self.key is not None and key != f"Bearer {self.key}":
            return _error(401, f"Incorrect API key provided: {key}")
        rows = [{"id": name, "object": "model"} for name in self.models]
        return web.json_response({"object": "list", "data": rows}, status=self.models_status)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._answered(request)
        except ConnectionResetError:
            self.broken.set()
            return web.Response()

    async def _answered(self, request: web.Request) -> web.StreamResponse:
        key = request.headers.get("Authorization")
        self.keys.add(key)
        if self.key is not None and key != f"Bearer {self.key}":
            return _error(401, f"Incorrect API key provided: {key}")
        body = await request.json()
        number = len(self.bodies)
        self.bodies.append(body)
        if fault := wrong(body):
            self.faults.append(fault)
            return _error(400, fault)
        if body["model"] not in self.models:
            return _error(404, f"The model `{body['model']}` does not exist.")
        if "tools" in body and not self.native:
            return _error(400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set')
        length = sum(len(message["content"]) for message in body["messages"])
        if self.context is not None and length > self.context:
            asked = f"However, you requested {length} tokens ({length} in the messages, 0 in the completion)."
            return _error(400, f"This model's maximum context length is {self.context} tokens. {asked}")
        reply = self._reply(body, self._given)
        self._given += 1
        if isinstance(reply, Failure):
            if reply.body is not None:
                return web.Response(status=reply.status, body=reply.body, headers=reply.headers)
            return _error(reply.status, reply.message, reply.headers)
        tokens = Tokens.draw(self._rng)
        if not self.streaming:
            self.reported.append(tokens)
            return web.json_response(self._whole(reply, number, tokens))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        data = self._stream(reply, number, tokens)
        first = len(data) // 2
        await self._write(response, data[:first])
        if self.hang_at == number:
            self.hanging.set()
            await self._released.wait()
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError
        if reply.cut:
            assert request.transport is not None
            request.transport.close()
            return response
        await self._write(response, data[first:])
        if self.usage and reply.error is None:
            self.reported.append(tokens)
        await response.write_eof()
        return response

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        """Send it in pieces of any size."""
        while data:
            size = self._rng.choice((1, 2, 3, 7, 20, 100, 1000))
            await response.write(data[:size])
            data = data[size:]
            if self._rng.random() < 0.2:
                await asyncio.sleep(0)

    def _reply(self, body: dict[str, Any], number: int) -> Reply | Failure:
        if self.replies is not None:
            return self.replies[number] if number < len(self.replies) else Failure(500, "nothing is left of the script")
        results = [m for m in body["messages"] if m["role"] == "tool" or str(m["content"]).startswith("Result of write")]
        if results:
            return Reply(self.words)
        arguments = {"path": self.file_name, "content": self.file_text}
        if "tools" in body:
            return Reply("I write it.\nNow.", [("write", arguments)], reasoning="They want a file.\nSo be it.")
        return Reply(f"I write it.\n\n```tool\n{json.dumps({'name': 'write', 'arguments': arguments})}\n```\n")

    def _calls(self, reply: Reply, number: int) -> list[dict[str, Any]]:
        return [
            {
                "id": f"call_{number}_{index}",
                "type": "function",
                "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
            }
            for index, (name, given) in enumerate(reply.calls)
        ]

    def _finish(self, reply: Reply) -> str:
        return reply.finish or ("tool_calls" if reply.calls else "stop")

    def _whole(self, reply: Reply, number: int, tokens: Tokens) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
        if reply.calls:
            message["tool_calls"] = self._calls(reply, number)
        choice = {"index": 0, "message": message, "finish_reason": self._finish(reply)}
        return {"id": f"chatcmpl-{number}", "object": "chat.completion", "choices": [choice], "usage": tokens.wire}

    def _stream(self, reply: Reply, number: int, tokens: Tokens) -> bytes:
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"reasoning_content": part} for part in self._pieces(reply.reasoning)]
        deltas += [{"content": part} for part in self._pieces(reply.text)]
        for index, call in enumerate(self._calls(reply, number)):
            function = call["function"]
            deltas.append({"tool_calls": [{**call, "index": index, "function": {"name": function["name"], "arguments": ""}}]})
            for part in self._pieces(function["arguments"]):
                deltas.append({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
        chunks: list[dict[str, Any]] = [
            {"choices": [{"index": 0, "delta": delta, "finish_reason": None}], "usage": None} for delta in deltas
        ]
        if reply.error is not None:
            chunks.append({"error": reply.error})
        else:
            chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": self._finish(reply)}]})
            if self.usage:
                chunks.append({"choices": [], "usage": tokens.wire})
        end = self._rng.choice(("\n", "\r\n"))
        raw = self._rng.random() < 0.5
        lines = [f": keep-alive{end}{end}"]
        for chunk in chunks:
            chunk = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "model": self.models[0], **chunk}
            space = self._rng.choice(("", " "))
            lines.append(f"data:{space}{json.dumps(chunk, ensure_ascii=not raw)}{end}{end}")
        if reply.error is None:
            lines.append(f"data: [DONE]{end}{end}")
        return "".join(lines).encode()

    def _pieces(self, text: str) -> list[str]:
        pieces = []
        while text:
            size = self._rng.randint(1, 9)
            pieces.append(text[:size])
            text = text[size:]
        return pieces


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    error = {"message": message, "type": "BadRequestError", "param": None, "code": status}
    return web.json_response({"error": error}, status=status, headers=headers)


def wrong(body: dict[str, Any]) -> str | None:
    """What a server finds wrong with a request: calls without results, results without calls, arguments that are no JSON."""
    if body.get("stream") is not True or body.get("stream_options") != {"include_usage": True}:
        return "the stand-in wants to stream"
    waiting: list[str] = []
    role = ""
    for message in body["messages"]:
        before, role = role, message["role"]
        if role == "tool":
            if message["tool_call_id"] not in waiting:
                return f"there is no call {message['tool_call_id']}"
            waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            return f"no result of {waiting}"
        if not message["content"] and not message.get("tool_calls"):
            return "a message with nothing in it"
        if "tools" not in body and role == before:
            return "Conversation roles must alternate user/assistant/user/assistant/..."
        for call in message.get("tool_calls", ()):
            if not isinstance(json.loads(call["function"]["arguments"]), dict):
                return "arguments that are no object"
            waiting.append(call["id"])
    return f"no result of {waiting}" if waiting else None
