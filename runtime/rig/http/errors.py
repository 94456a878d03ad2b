"""Errors as HTTP: one function that makes the answer, in either envelope or as RFC 9457 (conventions §5)."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from rig.errors import (
    BadRequest,
    HeadersTooLarge,
    Internal,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    PreconditionFailed,
    RequestTimeout,
    RigError,
    TooLarge,
    Unauthorized,
    UnsupportedMediaType,
    UriTooLong,
)
from rig.text import clean

log = logging.getLogger("rig.http")

PROBLEM = "application/problem+json"


_BY_STATUS: dict[int, type[RigError]] = {
    e.http_status: e
    for e in (
        BadRequest,
        Unauthorized,
        NotFound,
        MethodNotAllowed,
        NotAcceptable,
        RequestTimeout,
        PreconditionFailed,
        TooLarge,
        UriTooLong,
        UnsupportedMediaType,
        HeadersTooLarge,
    )
}


def from_http(error: web.HTTPException) -> RigError:
    """What aiohttp itself refuses with, as one of ours."""
    known = _BY_STATUS.get(error.status)
    if known is not None:
        return known()
    return BadRequest() if error.status < 500 else Internal()


def from_bug(error: BaseException, trace: str, where: str) -> RigError:
    """A defect, logged once with its trace id; the client learns nothing of it but that id."""
    log.error("%s failed with %s (trace %s)", where, type(error).__name__, trace, exc_info=error)
    return Internal()


def answer(error: RigError, trace: str, path: str, accept: str = "", allow: str | None = None) -> web.Response:
    """The response to an error; ``path`` decides the envelope and is never repeated."""
    kind = PROBLEM if PROBLEM in accept else "application/json"
    details = {name: value for name, value in error.details.items() if value is not None}
    try:
        body = msgspec.json.encode(_envelope(error, error.message, details, trace, path, kind), enc_hook=str)
    except Exception:  # noqa: BLE001 - a plugin's error may hold anything, and say what JSON cannot
        body = msgspec.json.encode(_envelope(error, clean(error.message), {}, trace, path, kind))
    response = web.Response(body=body, status=error.http_status, content_type=kind)
    headers = response.headers
    if error.http_status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="rig"'
    retry = error.retry_after if error.retry_after is not None else (5 if error.http_status in (429, 503) else None)
    if retry is not None:
        headers["Retry-After"] = str(retry)
    if allow is not None:
        headers["Allow"] = allow
    if error.http_status in (408, 413, 431):
        response.force_close()
    return response


def _envelope(error: RigError, message: str, details: Mapping[str, Any], trace: str, path: str, kind: str) -> dict[str, Any]:
    more = {"details": details} if details else {}
    if kind == PROBLEM:
        return {
            "type": f"urn:rig:error:{error.code}",
            "title": HTTPStatus(error.http_status).phrase,
            "status": error.http_status,
            "detail": message,
            "instance": f"urn:rig:trace:{trace}",
            "code": error.code,
            **more,
        }
    if path.startswith("/api/v1/"):
        return {"error": {"code": error.code, "message": message, "trace_id": trace, **more}}
    return {"error": message, "code": error.code, "traceId": trace, **more}
