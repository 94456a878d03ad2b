"""Errors as HTTP: one function that makes the answer, in either envelope or as RFC 9457 (conventions §5)."""

import logging
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
    details = {name: value for name, value in error.details.items() if value is not None}
    body: dict[str, Any]
    kind = "application/json"
    if PROBLEM in accept:
        kind = PROBLEM
        body = {
            "type": f"urn:rig:error:{error.code}",
            "title": HTTPStatus(error.http_status).phrase,
            "status": error.http_status,
            "detail": error.message,
            "instance": f"urn:rig:trace:{trace}",
            "code": error.code,
        }
        if details:
            body["details"] = details
    elif path.startswith("/api/v1/"):
        body = {"code": error.code, "message": error.message, "trace_id": trace}
        if details:
            body["details"] = details
        body = {"error": body}
    else:
        body = {"error": error.message, "code": error.code, "traceId": trace}
        if details:
            body["details"] = details
    response = web.Response(body=msgspec.json.encode(body, enc_hook=str), status=error.http_status, content_type=kind)
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
