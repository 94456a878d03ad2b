"""A stand-in for the OpenAI Responses API on loopback.

It plays one small conversation: the first answer calls the tool ``exec_command`` to write a file, the second says some words.
File name, text, words and token counts are drawn anew by each instance, so that nothing that claims to have run a session can
know them beforehand.
"""

import asyncio
import json
import random
import secrets
import shlex
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True)
class Tokens:
    """Tokens of one answer as this API reports them: the input includes what was read from and written to the cache."""

    input: int
    output: int
    cached: int
    written: int

    @classmethod
    def draw(cls, rng: random.Random) -> "Tokens":
        cached, written = rng.randint(0, 90_000), rng.randint(0, 30_000)
        return cls(cached + written + rng.randint(3, 900), rng.randint(20, 4_000), cached, written)

    @property
    def wire(self) -> dict[str, Any]:
        return {
            "input_tokens": self.input,
            "input_tokens_details": {"cached_tokens": self.cached, "cache_write_tokens": self.written},
            "output_tokens": self.output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self.input + self.output,
        }


@dataclass
class OpenAI:
    """The stand-in; use it as an async context manager."""

    seed: int = field(default_factory=lambda: secrets.randbits(64))
    port: int = 0
    status: int = 200
    """Status of the answers to ``/v1/responses``; other than 200 is an API error."""
    hang_at: int | None = None
    """Number of the request, from 0, from which on answers begin and wait for ``release``; None for none."""

    def __post_init__(self) -> None:
        rng = random.Random(self.seed)
        self.file_name = f"made-{rng.getrandbits(48):012x}.txt"
        self.file_text = "".join(rng.choice("abcdefghij \n'\"$`\\äß€") for _ in range(rng.randint(20, 200)))
        self.words = f"Wrote what was asked for, {rng.getrandbits(32):08x}."
        self.used_percent = rng.randint(1, 99)
        """How much of the account's limit is used, by the headers of each answer."""
        self.bodies: list[dict[str, Any]] = []
        """What ``/v1/responses`` was asked, in order."""
        self.reported: list[Tokens] = []
        """Tokens of the answers that were given to their end."""
        self.keys: set[str | None] = set()
        self.hanging = asyncio.Event()
        self._released = asyncio.Event()
        self._rng = rng

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def spent(self) -> dict[str, int]:
        """What was reported, in disjoint counts."""
        cached, written = sum(t.cached for t in self.reported), sum(t.written for t in self.reported)
        return {
            "inputTokens": sum(t.input for t in self.reported) - cached - written,
            "outputTokens": sum(t.output for t in self.reported),
            "cacheReadTokens": cached,
            "cacheCreationTokens": written,
        }

    def release(self) -> None:
        """Let the answer that hangs go on; none hangs after it. May be called on any thread."""
        self.hang_at = None
        self._loop.call_soon_threadsafe(self._released.set)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._released.set()
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._answered(request)
        except ConnectionResetError:  # an interrupted client does not wait for the rest
            return web.Response()

    async def _answered(self, request: web.Request) -> web.StreamResponse:
        if (request.method, request.path) != ("POST", "/v1/responses"):
            return web.json_response({"error": {"message": "not here", "type": "not_found"}}, status=404)
        self.keys.add(request.headers.get("Authorization"))
        body = await request.json()
        number = len(self.bodies)
        self.bodies.append(body)
        if self.status != 200:
            error = {"message": f"the stand-in says {self.status}", "type": "invalid_request_error"}
            return web.json_response({"error": error}, status=self.status)
        limits = {
            "x-codex-primary-used-percent": str(self.used_percent),
            "x-codex-primary-window-minutes": "300",
            "x-codex-primary-reset-at": "2000000000",
        }
        kind = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
        response = web.StreamResponse(headers={**kind, **limits})
        await response.prepare(request)

        async def send(type_: str, **data: Any) -> None:
            await response.write(f"event: {type_}\ndata: {json.dumps({'type': type_, **data})}\n\n".encode())

        identity = f"resp_{self.seed:016x}{number:04d}"
        await send("response.created", response={"id": identity})
        if self.hang_at is not None and number >= self.hang_at:
            self.hanging.set()
            await self._released.wait()
        tokens = Tokens.draw(self._rng)
        await send("response.output_item.done", output_index=0, item=self._item(body, number))
        await send("response.completed", response={"id": identity, "usage": tokens.wire})
        self.reported.append(tokens)
        await response.write_eof()
        return response

    def _item(self, body: dict[str, Any], number: int) -> dict[str, Any]:
        if any(item.get("type") == "function_call_output" for item in body["input"]):
            text = {"type": "output_text", "text": self.words, "annotations": []}
            return {"type": "message", "id": f"msg_{number}", "role": "assistant", "content": [text]}
        command = f"printf %s {shlex.quote(self.file_text)} > {self.file_name}"
        return {
            "type": "function_call",
            "id": f"fc_{number}",
            "call_id": f"call_{number}",
            "name": "exec_command",
            "arguments": json.dumps({"cmd": command}),
        }
