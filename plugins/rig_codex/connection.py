"""JSON-RPC over the lines of a program's pipes: requests in both directions, and notifications."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import Any

from rig import Child, PluginError, ProcessError

Message = Mapping[str, Any]

METHOD_NOT_FOUND = -32601
INTERNAL_ERROR = -32603

ANSWER_SECONDS = 60.0
"""How long the program may take to answer a request; none of those that Rig makes waits for a model."""


class Refused(PluginError):
    """The program answered a request with an error."""


class Unknown(Exception):
    """A request of the program that is not understood; it gets an error, never an approval."""


class Connection:
    """One program that speaks JSON-RPC. ``serve`` has to run while anything is asked."""

    def __init__(
        self,
        child: Child,
        notified: Callable[[str, Message], Awaitable[None]],
        asked: Callable[[str, Message], Awaitable[Message]],
        stray: Callable[[bytes], Awaitable[None]],
    ) -> None:
        """``notified`` gets notifications one after the other; ``asked`` the program's requests, beside each other; ``stray``
        lines that are no message."""
        self._child = child
        self._notified = notified
        self._asked = asked
        self._stray = stray
        self._ids = count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._over = False

    async def request(self, method: str, params: Message, seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
        """The result of a request. Raises Refused, ProcessError when the program is gone, PluginError when it says nothing."""
        if self._over:
            raise ProcessError("codex has ended")
        identity = next(self._ids)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[identity] = answer
        try:
            await self._send({"id": identity, "method": method, "params": params})
            async with asyncio.timeout(seconds):
                result = await answer
        except TimeoutError:
            raise PluginError(f"codex did not answer {method} within {seconds:g} s") from None
        finally:
            self._waiting.pop(identity, None)
        if not isinstance(result, dict):
            raise PluginError(f"codex answered {method} with something strange")
        return result

    async def notify(self, method: str) -> None:
        await self._send({"method": method})

    async def serve(self) -> None:
        """Read until the program closes its output; then whatever waits for an answer gets a ProcessError."""
        try:
            async for batch in self._child.lines():
                for line in batch:
                    await self._take(line)
        finally:
            self._over = True
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(ProcessError("codex ended before it answered"))
            for task in self._answering:
                task.cancel()

    async def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            if line.strip():
                await self._stray(line)
            return
        method, params, identity = message.get("method"), message.get("params"), message.get("id")
        if isinstance(method, str):
            body = params if isinstance(params, dict) else {}
            if identity is None:
                await self._notified(method, body)
            else:
                task = asyncio.create_task(self._answer(identity, method, body))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
        elif isinstance(identity, int) and (waiting := self._waiting.get(identity)) is not None and not waiting.done():
            if "error" in message:
                waiting.set_exception(Refused(_words(message["error"])))
            else:
                waiting.set_result(message.get("result"))

    async def _answer(self, identity: Any, method: str, params: Message) -> None:
        try:
            answer: dict[str, Any] = {"result": await self._asked(method, params)}
        except Unknown:
            answer = {"error": {"code": METHOD_NOT_FOUND, "message": f"{method[:100]} is not supported"}}
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the program must not wait for ever, nor be approved
            answer = {"error": {"code": INTERNAL_ERROR, "message": type(error).__name__}}
        try:
            await self._send({"id": identity, **answer})
        except ProcessError:
            pass  # it is gone, and with it whoever asked

    async def _send(self, message: Message) -> None:
        await self._child.write(json.dumps(message, ensure_ascii=False).encode() + b"\n")


def _words(error: Any) -> str:
    said = error.get("message") if isinstance(error, dict) else None
    return " ".join(str(said or "error").split())[:300]
