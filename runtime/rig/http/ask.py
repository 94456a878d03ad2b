"""One request as a handler sees it: who asks for what, its body and parameters, and how to answer."""

import hashlib
import logging
import re
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec
from aiohttp import web
from msgspec.structs import replace
from pydantic import BaseModel

from rig.errors import BadRequest, IdempotencyReuse, RigError
from rig.http import door
from rig.http.auth import Identity
from rig.http.deps import Deps
from rig.model.call import Call
from rig.model.events import NewEvent
from rig.store.units import Committed, Idempotency, Outcome, Timer, Unit
from rig.wire.operations import SIGNATURE, Operation
from rig.wire.shapes import requests

log = logging.getLogger("rig.http")

M = TypeVar("M", bound=BaseModel)
JSON = {"Content-Type": "application/json"}
IDEMPOTENCY_KEY = "Idempotency-Key"
AS_OF = "X-Rig-As-Of"

_KEY = re.compile(r'^"?([\x21\x23-\x7e][\x20\x21\x23-\x7e]{0,254})"?$')
_WHOLE = re.compile(r"^-?\d{1,15}$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ufffd]|%[0-9A-Fa-f]{2}")
MAX_ID = 512


class Ask:
    """An authorised request. Handlers take one and give a response."""

    __slots__ = ("call", "deps", "identity", "operation", "raw", "request")

    def __init__(self, request: web.Request, deps: Deps, operation: Operation, identity: Identity, call: Call) -> None:
        self.request = request
        self.deps = deps
        self.operation = operation
        self.identity = identity
        self.call = call
        self.raw = b""
        """The body as it came; read before the handler runs."""

    async def load(self) -> None:
        """Read the body and take in the Idempotency-Key."""
        request = self.request
        if request.body_exists:
            limit = self.operation.body_limit
            raw = door.at_hand(request, limit)
            self.raw = await door.read(request, limit) if raw is None else raw
        keys = request.headers.getall(IDEMPOTENCY_KEY, ())
        if keys and self.operation.scope != SIGNATURE:  # a sender of webhooks means its delivery by it
            match = _KEY.match(keys[0])
            if match is None or len(keys) > 1:
                raise BadRequest("the Idempotency-Key must be 1 to 255 printable characters")
            call, query = self.call, request.query_string
            scope = "\n".join((call.tenant, call.principal, request.method, request.path, match[1]))
            body = hashlib.sha256(self.raw)
            if query:
                body.update(b"\n?" + query.encode())
            self.call = replace(call, idempotency_scope=scope, idempotency_digest=body.digest())

    @property
    def idempotency(self) -> Idempotency | None:
        """For the unit that this request makes; None without a key."""
        scope = self.call.idempotency_scope
        return None if scope is None else Idempotency(scope, self.call.idempotency_digest)

    def known_outcome(self) -> Outcome | None:
        """What the same request was answered before; raises IdempotencyReuse when the key came with another body."""
        if self.call.idempotency_scope is None:
            return None
        with self.deps.store.snapshot() as snapshot:
            found = snapshot.outcome(self.call.idempotency_scope)
        if found is None:
            return None
        if found[0] != self.call.idempotency_digest:
            raise IdempotencyReuse
        return found[1]

    async def json(self) -> Any:
        """The body as JSON."""
        door.media_type(self.request)
        return await door.decoded(self.raw)

    async def body(self, model: type[M]) -> M:
        """The body as a shape of ``rig.wire.shapes.requests``; an absent one is ``{}`` where the operation allows it."""
        if not self.raw and self.operation.optional_body:
            return requests.parse(model, {})
        value = await self.json()
        if type(value) is not dict:
            raise BadRequest("the body must be a JSON object")
        return requests.parse(model, value)

    def text(self, name: str) -> str | None:
        """A query parameter, None when it is absent or empty."""
        value = self.request.query.get(name)
        if not value:
            return None
        if len(value) > MAX_ID or _CONTROL.search(value):
            raise BadRequest(f"{name} is not a valid text", field=name)
        return value

    def required(self, name: str) -> str:
        """A query parameter that must be there."""
        value = self.text(name)
        if value is None:
            raise BadRequest(f"{name} is missing", field=name)
        return value

    def integer(self, name: str, default: int, low: int, high: int, *, clamp: bool = False) -> int:
        """A whole number from the query; ``clamp`` moves it into its range instead of refusing it."""
        text = self.request.query.get(name)
        if text is None or text == "":
            return default
        if not _WHOLE.match(text):
            raise BadRequest(f"{name} must be a whole number", field=name)
        value = int(text)
        if clamp:
            return min(max(value, low), high)
        if not low <= value <= high:
            raise BadRequest(f"{name} must be from {low} to {high}", field=name)
        return value

    def path(self, name: str) -> str:
        """A part of the path, decoded once."""
        value = self.request.match_info[name]
        if len(value) > MAX_ID or "\0" in value or any(c < " " or c == "\x7f" or c == "\ufffd" for c in value):
            raise BadRequest(f"{name} is not a valid id", field=name)
        if "%" in value and re.search(r"%[89A-Fa-f][0-9A-Fa-f]", self.request.raw_path) and _broken(self.request.raw_path):
            raise BadRequest(f"{name} is not UTF-8", field=name)
        return value

    def answer(self, shape: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
        """A shape as JSON."""
        return web.Response(body=msgspec.json.encode(shape), status=status, headers={**JSON, **headers} if headers else JSON)

    def bytes(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
        """JSON that is encoded already."""
        return web.Response(body=body, status=status, headers={**JSON, **headers} if headers else JSON)

    async def commit(
        self,
        *events: NewEvent,
        answer: Callable[[Committed], Outcome],
        expect: dict[str, int] | None = None,
        timers: tuple[Timer, ...] = (),
        fences: tuple[tuple[str, int], ...] = (),
        tenant: str | None = None,
    ) -> web.Response:
        """Store one unit in the call's name and answer; ``answer`` is pure, as a repeat gets the same again."""
        call = self.call
        unit = Unit(
            tenant or call.tenant,
            events,
            expect=expect or {},
            principal=call.principal,
            operation=call.operation,
            request_id=call.request_id,
            timers=timers,
            fences=fences,
            idempotency=self.idempotency,
            outcome=answer,
        )
        return self.outcome(await self.deps.store.commit(unit), answer)

    async def record(self, *events: NewEvent, expect: dict[str, int] | None = None, tenant: str | None = None) -> Committed:
        """Store what is about to be done outside of the log, before it is done; ``remember`` the answer after it."""
        call = self.call
        unit = Unit(
            tenant or call.tenant,
            events,
            expect=expect or {},
            principal=call.principal,
            operation=call.operation,
            request_id=call.request_id,
        )
        return await self.deps.store.commit(unit)

    async def remember(self, given: Outcome) -> web.Response:
        """Answer, and keep the answer for a repeat of the Idempotency-Key; what was done stands also where that fails."""
        if self.idempotency is None:
            return self.replay(given, replayed=False)
        unit = Unit(self.call.tenant, idempotency=self.idempotency, outcome=lambda committed: given)
        try:
            return self.outcome(await self.deps.store.commit(unit), lambda committed: given)
        except RigError as error:
            log.warning("the answer to %s could not be kept for a repeat: %s", self.operation.name, error.message)
            return self.replay(given, replayed=False)

    async def command(self, kind: str, key: str, command: Any, answer: Callable[[Committed], Outcome]) -> web.Response:
        """Have a command decided by the actor of a stream, and answer."""
        return self.outcome(await self.deps.system.ask(kind, self.call, key, command, outcome=answer), answer)

    def outcome(self, committed: Committed, answer: Callable[[Committed], Outcome]) -> web.Response:
        """What a unit answers, the first time and again."""
        outcome = committed.outcome
        return self.replay(answer(committed) if outcome is None else outcome, committed.replayed)

    def replay(self, outcome: Outcome, replayed: bool = True) -> web.Response:
        """A stored answer."""
        body = outcome.body
        if self.operation.secret and body:
            body = self.deps.unseal(body)
        headers = JSON if body else {}
        if replayed:
            headers = {**headers, "Idempotent-Replayed": "true"}
        return web.Response(body=body, status=outcome.status, headers=headers)


def outcome(shape: Any, status: int = 200) -> Outcome:
    """A shape as an answer that can be kept."""
    return Outcome(status, msgspec.json.encode(shape))


def _broken(raw_path: str) -> bool:
    """Whether a path's escapes are not UTF-8."""
    try:
        unquote_to_bytes(raw_path).decode()
    except UnicodeDecodeError:
        return True
    return False
