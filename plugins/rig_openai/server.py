"""Speaks to an OpenAI-compatible server: one request at a time, streamed, repeated where that may help."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any, Self

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout

from rig import PluginError, __version__
from rig_openai.answers import MAX_NAME, Answer
from rig_openai.config import OpenAIConfig
from rig_openai.events import MAX_EVENT, Events
from rig_openai.refusals import Busy, Refused, Said, pause

CONNECT_SECONDS = 15.0
MAX_MODELS = 1000
"""Models that are listed of a server."""
Body = dict[str, Any]
Telling = Callable[[Answer], Awaitable[None]]
"""Told of an answer whenever more of it has come."""


class Server:
    """The API of one session; an async context manager. Everything it raises is a PluginError whose text has no key in it."""

    def __init__(self, address: str, config: OpenAIConfig) -> None:
        self.address = address
        self._attempts = config.attempts
        self._key = config.api_key.get_secret_value() if config.api_key is not None else ""
        self._timeout = ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=config.answer_seconds)
        self._silence = config.answer_seconds

    async def __aenter__(self) -> Self:
        headers = {"User-Agent": f"rig/{__version__}"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        self._http = ClientSession(timeout=self._timeout, headers=headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def models(self) -> list[str]:
        """The ids of the models that it serves. Raises Refused."""
        try:
            async with (
                asyncio.timeout(self._silence),
                self._http.get(f"{self.address}/models", allow_redirects=False) as response,
            ):
                data = json.loads(await self._body(response))
                if response.status != 200:
                    raise self._clean(Said(response.status, response.headers, json.dumps(data).encode()).refusal(tools=False))
        except (ClientError, OSError, ValueError, RecursionError) as error:
            raise Refused(f"{self.address} does not say which models it serves: {type(error).__name__}") from None
        rows = data.get("data") if isinstance(data, dict) else None
        found = rows[:MAX_MODELS] if isinstance(rows, list) else ()
        return [str(row["id"])[:MAX_NAME] for row in found if isinstance(row, dict) and row.get("id")]

    async def answer(self, body: Body, telling: Telling, waiting: Callable[[str], Awaitable[None]]) -> Answer:
        """Ask for an answer until there is one; ``waiting`` is told why it takes longer. Raises Refused."""
        for attempt in range(1, self._attempts + 1):
            try:
                return await self._once(body, telling)
            except Busy as busy:
                if attempt == self._attempts:
                    raise Refused(f"{busy.message} ({attempt} times)" if attempt > 1 else busy.message) from None
                seconds = pause(attempt, busy.seconds, random.random())
                await waiting(f"{busy.message}; asked again in {seconds:.1f} s")
                await asyncio.sleep(seconds)
        raise AssertionError("there is a last attempt")

    async def _once(self, body: Body, telling: Telling) -> Answer:
        sent = json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}
        try:
            async with (
                asyncio.timeout(self._silence) as silence,
                self._http.post(
                    f"{self.address}/chat/completions", data=sent, headers=headers, allow_redirects=False
                ) as response,
            ):
                if response.status != 200:
                    raise Said(response.status, response.headers, await self._body(response)).refusal(tools="tools" in body)
                if response.content_type == "application/json":
                    answer = Answer()
                    answer.take(_chunk((await self._body(response)).decode("utf-8", "replace")))
                else:
                    answer = await self._streamed(response, telling, silence)
        except TimeoutError:
            raise Busy(f"the server at {self.address} was silent for {self._silence} s") from None
        except (ClientError, OSError) as error:
            raise self._clean(Busy(f"the server at {self.address} is not reached: {_why(error)}")) from None
        except PluginError as error:
            raise self._clean(error) from None
        if answer.finish is None and not answer.calls and not answer.text:
            raise Busy("the server broke off its answer")
        answer.finish = answer.finish or "stop"
        await telling(answer)
        return answer

    async def _streamed(self, response: ClientResponse, telling: Telling, silence: asyncio.Timeout) -> Answer:
        """Read a stream to its end; what adds nothing to the answer counts as ``silence``. Raises Busy when it is cut off."""
        answer, events = Answer(), Events()
        async for chunk in response.content.iter_any():
            size = answer.size
            for data in events.feed(chunk):
                if _take(answer, self._without_key(data)):
                    return answer
            if answer.size > size:
                silence.reschedule(asyncio.get_running_loop().time() + self._silence)
            await telling(answer)
        for data in events.end():
            if _take(answer, self._without_key(data)):
                return answer
        if answer.finish is None:
            raise Busy("the server broke off its answer")
        return answer

    async def _body(self, response: ClientResponse) -> bytes:
        """A body that was not streamed, as far as it is looked at."""
        chunks, room = [], MAX_EVENT
        async for chunk in response.content.iter_any():
            chunks.append(chunk[:room])
            room -= len(chunk)
            if room <= 0:
                break
        body = b"".join(chunks)
        return body.replace(self._key.encode(), b"***") if self._key else body

    def _without_key(self, text: str) -> str:
        """A text of the server's before anything is cut from it: a part of the key would not be found any more."""
        return text.replace(self._key, "***") if self._key else text

    def _clean(self, error: PluginError) -> PluginError:
        """The same error; a server that repeats the key in its words does not tell it to others."""
        error.message = self._without_key(error.message)
        error.args = (error.message,)
        return error


def _take(answer: Answer, data: str) -> bool:
    """Add an event's data to the answer; whether it was the last."""
    if data.strip() == "[DONE]":
        return True
    answer.take(_chunk(data))
    return False


def _chunk(text: str) -> dict[str, Any]:
    """A chunk. Raises what an error in its place means: its status is in it, if anywhere."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise Refused(f"the server sends something strange: {text[:100]!r}")
    if error := data.get("error"):
        code = error.get("code") if isinstance(error, dict) else None
        raise Said(code if isinstance(code, int) and code >= 400 else 500, {}, text.encode()).refusal(tools=True)
    return data


def _why(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or ""
    return f"{type(error).__name__}: {' '.join(str(text).split())[:200]}" if text else type(error).__name__
