"""Trace ids in, and the headers that every answer has."""

import re
from collections.abc import Callable

from aiohttp import hdrs, web

TRACE: web.RequestKey[str] = web.RequestKey("trace", str)
"""The trace id of a request."""

_TRACEPARENT = re.compile(
    r"(?:00(?=.{53}\Z)|(?!00|ff)[0-9a-f]{2}(?=.{53}(?:-|\Z)))-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
"""W3C trace context: version 00 ends with its flags, a later one may say more, ff is none."""
_REQUEST_ID = re.compile(r"^[0-9a-f]{32}$|^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def trace_of(request: web.Request, fresh: Callable[[], str]) -> str:
    """The request's trace id: the client's if it gave a valid traceparent or X-Request-Id, else a new one."""
    headers = request.headers
    given = headers.get("traceparent")
    if given is not None:
        match = _TRACEPARENT.match(given)
        if match is not None:
            return match[1]
    given = headers.get("X-Request-Id")
    if given is not None and _REQUEST_ID.match(given):
        return given.replace("-", "")
    return fresh().replace("-", "")


def finish(response: web.StreamResponse, trace: str) -> None:
    """Add the headers of every answer; streams do it themselves before their first byte."""
    headers = response.headers
    headers["X-Request-Id"] = trace
    headers["traceparent"] = f"00-{trace}-{trace[16:]}-01"
    headers["Server"] = "rig"
    headers["X-Content-Type-Options"] = "nosniff"
    if hdrs.CACHE_CONTROL not in headers:
        headers[hdrs.CACHE_CONTROL] = "no-store"
