"""What went wrong at the other end, as the ``RigError`` that it was there."""

from collections.abc import Iterator
from typing import Any

import msgspec

from rig import errors
from rig.errors import RigError
from rig.text import one_line

MESSAGE = 2000


class RemoteError(RigError):
    """The daemon refused with a code that this client does not know."""


def error_of(status: int, body: bytes, where: str) -> RigError:
    """The error of an answer, from either envelope or RFC 9457; ``where`` is the daemon's address, for an answer that is none.

    The code decides the class, and where it is not known the status does; the trace id is kept in ``details``.
    """
    envelope = _envelope(body)
    if envelope is None:
        return errors.BadGateway(f"{where} answered {status}, and not as Rig does; is that Rig's address?")
    code, message, trace, details = envelope
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status) or RemoteError
    error = kind(one_line(message, MESSAGE) or None)
    error.details = {**details, **({"trace_id": trace} if trace else {})}
    return error


def _envelope(body: bytes) -> tuple[str, str, str, dict[str, Any]] | None:
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    if not isinstance(answer, dict):
        return None
    inner = answer["error"] if isinstance(answer.get("error"), dict) else answer
    code = inner.get("code")
    message = inner.get("message") or inner.get("detail") or inner.get("error")
    if not isinstance(code, str) or not isinstance(message, str):
        return None
    trace = inner.get("trace_id") or inner.get("traceId") or str(inner.get("instance", "")).removeprefix("urn:rig:trace:")
    details = inner.get("details")
    return code, message, trace if isinstance(trace, str) else "", details if isinstance(details, dict) else {}


def _classes(base: type[RigError] = RigError) -> Iterator[type[RigError]]:
    for below in base.__subclasses__():
        if below.__module__ == errors.__name__:
            yield below
            yield from _classes(below)


_BY_CODE: dict[str, type[RigError]] = {}
_BY_STATUS: dict[int, type[RigError]] = {}
for _class in _classes():
    _BY_CODE.setdefault(_class.code, _class)
    if _class.http_status != RigError.http_status or _class is errors.Unavailable:
        _BY_STATUS.setdefault(_class.http_status, _class)
