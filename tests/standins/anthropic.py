"""A stand-in for the Anthropic Messages API on loopback.

It plays one small conversation: the first turn calls the tool ``Bash`` to write a file, the second says some words. File name,
text, words and token counts are drawn anew by each instance, so that nothing that claims to have run a session can know them
beforehand. ``python -m tests.standins.anthropic`` serves one and prints what it drew as a line of JSON.
"""

import asyncio
import json
import random
import secrets
import shlex
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True)
class Tokens:
    """Tokens of one answer."""

    input: int
    output: int
    cache_read: int
    cache_creation: int

    @classmethod
    def draw(cls, rng: random.Random) -> "Tokens":
        return cls(rng.randint(3, 900), rng.randint(20, 4_000), rng.randint(0, 90_000), rng.randint(0, 30_000))


@dataclass
class Anthropic:
    """The stand-in; use it as an async context manager."""

    seed: int = field(default_factory=lambda: secrets.randbits(64))
    port: int = 0
    first_status: int = 200
    """Status of the answers to ``/v1/messages``; other than 200 is an API error."""
    hang_at: int | None = None
    """Turn, 0 or 1, whose answer begins and waits for ``release``; None for none."""

    def __post_init__(self) -> None:
        rng = random.Random(self.seed)
        self.file_name = f"made-{rng.getrandbits(48):012x}.txt"
        self.file_text = "".join(rng.choice("abcdefghij \n'\"$`\\äß€") for _ in range(rng.randint(20, 200)))
        self.words = f"Wrote what was asked for, {rng.getrandbits(32):08x}."
        self.turns = (Tokens.draw(rng), Tokens.draw(rng))
        self.requests: list[tuple[str, str]] = []
        """(method, path) of everything that was asked."""
        self.bodies: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.reported: list[Tokens] = []
        """Tokens of the answers that were given to their end."""
        self.hanging = asyncio.Event()
        self._serial = rng.getrandbits(32)
        self._released = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def total(self) -> Tokens:
        """What a session of both turns amounts to."""
        a, b = self.turns
        return Tokens(a.input + b.input, a.output + b.output, a.cache_read + b.cache_read, a.cache_creation + b.cache_creation)

    @property
    def spent(self) -> dict[str, int]:
        """What was reported."""
        return {
            "inputTokens": sum(t.input for t in self.reported),
            "outputTokens": sum(t.output for t in self.reported),
            "cacheReadTokens": sum(t.cache_read for t in self.reported),
            "cacheCreationTokens": sum(t.cache_creation for t in self.reported),
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
        self.requests.append((request.method, request.path))
        self.keys.add(request.headers.get("x-api-key"))
        if request.method == "HEAD":
            return web.Response()
        if (request.method, request.path) != ("POST", "/v1/messages"):
            return _error(404, "not_found_error")
        body = await request.json()
        self.bodies.append(body)
        if self.first_status != 200:
            return _error(self.first_status, "invalid_request_error")
        if not body.get("stream"):
            return _error(400, "invalid_request_error")
        return await self._answer(request, body)

    async def _answer(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        again = any(_has_result(message) for message in body["messages"])
        tokens = self.turns[again]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"})
        await response.prepare(request)

        async def send(type_: str, **data: Any) -> None:
            await response.write(f"event: {type_}\ndata: {json.dumps({'type': type_, **data})}\n\n".encode())

        usage = {
            "input_tokens": tokens.input,
            "cache_creation_input_tokens": tokens.cache_creation,
            "cache_read_input_tokens": tokens.cache_read,
        }
        identity = f"{self._serial:08x}{len(self.bodies):04d}"
        message = {
            "id": f"msg_{identity}",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**usage, "output_tokens": 1},
        }
        await send("message_start", message=message)
        await send("ping")
        if self.hang_at == int(again):
            self.hanging.set()
            await self._released.wait()
        if again:
            await send("content_block_start", index=0, content_block={"type": "text", "text": ""})
            deltas = [{"type": "text_delta", "text": part} for part in _parts(self.words)]
        else:
            command = f"printf %s {shlex.quote(self.file_text)} > {self.file_name}"
            call = {"type": "tool_use", "id": f"toolu_{identity}", "name": "Bash", "input": {}}
            await send("content_block_start", index=0, content_block=call)
            arguments = json.dumps({"command": command, "description": "Write the file"})
            deltas = [{"type": "input_json_delta", "partial_json": part} for part in _parts(arguments)]
        for delta in deltas:
            await send("content_block_delta", index=0, delta=delta)
        await send("content_block_stop", index=0)
        reason = "end_turn" if again else "tool_use"
        await send(
            "message_delta",
            delta={"stop_reason": reason, "stop_sequence": None},
            usage={**usage, "output_tokens": tokens.output},
        )
        await send("message_stop")
        self.reported.append(tokens)
        await response.write_eof()
        return response


def _has_result(message: dict[str, Any]) -> bool:
    content = message["content"]
    return isinstance(content, list) and any(block.get("type") == "tool_result" for block in content)


def _parts(text: str, size: int = 17) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)]


def _error(status: int, kind: str) -> web.Response:
    return web.json_response(
        {"type": "error", "error": {"type": kind, "message": f"the stand-in says {status}"}}, status=status
    )


async def _main() -> None:
    async with Anthropic() as api:
        drew = {"url": api.url, "file": api.file_name, "text": api.file_text, "words": api.words, "total": asdict(api.total)}
        print(json.dumps(drew), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
