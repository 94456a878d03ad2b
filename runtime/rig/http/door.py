"""The JSON door: what is let in as a body, and what is refused before anything looks at it (conventions §6)."""

import asyncio
import json
import re
import zlib
from json.scanner import make_scanner
from typing import Any, NoReturn

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from rig.errors import BadRequest, MalformedJson, RequestTimeout, TooLarge, UnsupportedMediaType

MAX_DEPTH = 64
IDLE = 20.0
"""Seconds for which a body may stand still."""
TOTAL = 120.0
"""Seconds in which a body must have come."""
BIG = 128 * 1024
"""Bytes from which a body is decoded off the event loop."""

_LOW, _HIGH = -(2**63), 2**63
_BOM = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_SURROGATE = re.compile("[\ud800-\udfff]")
_INFINITE = (float("inf"), float("-inf"))


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedJson("an object has the same key twice")
    return found


def _constant(name: str) -> NoReturn:
    raise MalformedJson(f"{name} is not JSON")


def _integer(text: str) -> int:
    if len(text) > 20:
        raise MalformedJson("a number is outside ±2^63")
    value = int(text)
    if not _LOW <= value < _HIGH:
        raise MalformedJson("a number is outside ±2^63")
    return value


def _float(text: str) -> float:
    value = float(text)
    if value in _INFINITE:
        raise MalformedJson("a number is too large")
    return value


_scan = make_scanner(
    json.JSONDecoder(  # type: ignore[arg-type]  # typeshed asks for a scanner to make a scanner from
        object_pairs_hook=_pairs, parse_int=_integer, parse_float=_float, parse_constant=_constant
    )
)
_BLANK = " \t\n\r"


def decode(raw: bytes) -> Any:
    """The value of a JSON text.

    Raises MalformedJson for an empty body, a byte order mark, text that is not UTF-8, duplicate keys, NaN and infinities,
    NUL, lone surrogates, numbers outside ±2^63 and depth over 64.
    """
    if not raw:
        raise MalformedJson("the body is empty")
    if raw.startswith(_BOM):
        raise MalformedJson("the body begins with a byte order mark")
    try:
        text = raw.decode().strip(_BLANK)
    except UnicodeDecodeError:
        raise MalformedJson("the body is not UTF-8") from None
    try:
        value, end = _scan(text, 0)
        if end != len(text):
            raise MalformedJson(f"the body is not JSON at character {end}")
    except StopIteration as stop:
        raise MalformedJson(f"the body is not JSON at character {stop.value}") from None
    except RecursionError:
        raise MalformedJson(f"the body is nested deeper than {MAX_DEPTH}") from None
    except ValueError as error:
        where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise MalformedJson(f"the body is not JSON{where}") from None
    if "\\u" in text:
        _check_texts(value)
    if text.count("{") + text.count("[") > MAX_DEPTH and _too_deep(value):
        raise MalformedJson(f"the body is nested deeper than {MAX_DEPTH}")
    return value


def decode_object(raw: bytes) -> dict[str, Any]:
    """As ``decode``, and the value must be an object."""
    value = decode(raw)
    if type(value) is not dict:
        raise MalformedJson("the body must be a JSON object")
    return value


def _check_texts(value: Any) -> None:
    """Escapes may name what may not be written: NUL, and halves of a character."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if type(one) is str:
            if "\0" in one:
                raise MalformedJson("a text holds NUL")
            if _SURROGATE.search(one):
                raise MalformedJson("a text holds a lone surrogate")
        elif type(one) is dict:
            waiting.extend(one)
            waiting.extend(one.values())
        elif type(one) is list:
            waiting.extend(one)


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is dict or type(inner) is list
        ]
        if not level:
            return False
    return True


NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")


def media_type(request: web.Request, *also: str) -> str:
    """The body's media type; raises UnsupportedMediaType unless it is JSON or one of ``also``."""
    given = request.headers.get("Content-Type")
    if given == "application/json":
        return given
    kind, _, parameters = (given or "").partition(";")
    kind = kind.strip().lower()
    if not (kind == "application/json" or kind in also or (kind.startswith("application/") and kind.endswith("+json"))):
        raise UnsupportedMediaType
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in ("utf-8", "utf8", "us-ascii"):
            raise BadRequest("the charset must be utf-8")
    return kind


def at_hand(request: web.Request, limit: int) -> bytes | None:
    """The raw body if all of it has come already, None when it must be waited for; raises TooLarge."""
    content = request.content
    if not content.is_eof() or content.exception() is not None:
        return None
    body = content.read_nowait()
    if len(body) > limit:
        raise TooLarge
    return body


async def read(request: web.Request, limit: int) -> bytes:
    """The raw body, decompressed; raises TooLarge while it comes, and RequestTimeout when it stands still."""
    content = request.content
    length = request.content_length
    if length is not None and length > limit:
        raise TooLarge
    chunks = bytearray()
    try:
        async with asyncio.timeout(TOTAL):
            while not content.at_eof():
                async with asyncio.timeout(IDLE):
                    chunks += await content.readany()
                if len(chunks) > limit:
                    raise TooLarge
    except TimeoutError:
        raise RequestTimeout from None
    except (HttpProcessingError, RequestPayloadError, zlib.error):
        raise BadRequest("the body is not encoded as its headers say") from None
    return bytes(chunks)


async def decoded(raw: bytes) -> Any:
    """As ``decode``, off the event loop when the body is big."""
    return decode(raw) if len(raw) < BIG else await asyncio.to_thread(decode, raw)
