"""Signed deliveries: verified over raw bytes, told apart by their id, and stored with what they cause in one unit."""

import hashlib
from typing import Any

import msgspec
from aiohttp import web

from rig.errors import BadRequest, BadSignature, Conflict, IdempotencyReuse, RigError, StaleDelivery
from rig.http.ask import Ask, outcome
from rig.http.routes import lists
from rig.model import delivery as model
from rig.model.tables import DELIVERIES, Query
from rig.payload import clean, identifier
from rig.plugin.contexts import Identity, WebhookDelivery
from rig.plugin.sources import Hook
from rig.reactors.meaning import Meaning
from rig.store.units import Committed, Idempotency, Outcome, Unit
from rig.wire import views
from rig.wire.shapes import answers

TYPES = {"receive_github_webhook": "github", "receive_linear_webhook": "linear"}
"""Operations whose path names no source, and the type that they are for."""


def admit(ask: Ask) -> None:
    """Count a request before its body is read; raises TooManyRequests, and BadSignature where there is no such source.

    A path that several sources of one type share has the sum of their limits.
    """
    name = _name(ask)
    hooks = ask.deps.hooks(name)
    if not hooks:
        raise BadSignature
    limits = [hook.requests_per_minute for hook in hooks]
    key = hooks[0].name if len(hooks) == 1 else name
    ask.deps.rates.admit(key, sum(limits) if all(limits) else 0, ask.deps.clock.monotonic())


def _name(ask: Ask) -> str:
    return TYPES.get(ask.operation.name) or ask.path("source")


async def receive_webhook(ask: Ask) -> web.StreamResponse:
    """``POST /api/webhooks/{source}``."""
    return await _receive(ask)


async def receive_github_webhook(ask: Ask) -> web.StreamResponse:
    """``POST /api/webhook/github``."""
    return await _receive(ask)


async def receive_linear_webhook(ask: Ask) -> web.StreamResponse:
    """``POST /webhooks/linear``."""
    return await _receive(ask)


async def _receive(ask: Ask) -> web.StreamResponse:
    hook, delivery = await _signed_for(ask, _name(ask))
    body, inbox = hashlib.sha256(ask.raw).hexdigest(), ask.deps.inbox
    meaning: Meaning | None = None
    error: str | None = None
    try:
        named = await hook.source.identify(delivery)
    except RigError as fault:
        named, error = Identity("", "unknown"), _borne(fault)
    if named.delivery_id and identifier(named.delivery_id) != named.delivery_id:
        raise BadRequest("the delivery's id is not readable")
    digest = named.fingerprint or body
    id = named.delivery_id or f"sha256-{digest}"
    row = inbox.row(hook.tenant, hook.name, id)
    if row is not None and row.digest != digest:
        raise Conflict("this delivery id came before with another body")
    if row is not None or inbox.row(hook.tenant, hook.name, f"sha256-{body}") is not None:
        return _duplicate(ask, id)
    if error is None:
        try:
            meaning = await inbox.interpreter.read(hook, delivery)
        except RigError as fault:
            error = _borne(fault)
    about = {
        "id": id,
        "source": hook.name,
        "event": clean(named.event, 300),
        "digest": digest,
        "body": body,
        "size": len(ask.raw),
        "headers": model.kept_headers(delivery.headers),
        "byBody": not named.delivery_id,
    }

    def answer(committed: Committed) -> Outcome:
        return outcome(
            answers.DeliveryAccepted(
                delivery_id=id,
                duplicate=False,
                matched=0 if meaning is None else len(meaning.facts),
                jobs=(),
                ignored=None if meaning is None else meaning.ignored,
                state="retry" if meaning is None else None,
            )
        )

    with inbox.bodies.holding(body):
        await inbox.bodies.keep(ask.raw)
        unit = inbox.unit(
            hook,
            about,
            meaning,
            error,
            idempotency=Idempotency(f"{hook.tenant}\nwebhook\n{hook.name}\n{id}", bytes.fromhex(digest)),
            operation=ask.call.operation,
            request_id=ask.call.request_id,
            answer=answer,
        )
        try:
            committed = await ask.deps.store.commit(unit)
        except IdempotencyReuse:
            raise Conflict("this delivery id came before with another body") from None
    if committed.replayed or committed.outcome is None:
        return _duplicate(ask, id)
    return ask.replay(committed.outcome, replayed=False)


async def _signed_for(ask: Ask, name: str) -> tuple[Hook, WebhookDelivery]:
    """The source whose secret signed the delivery; raises BadSignature, also when no source has a secret."""
    headers = {k.lower(): v for k, v in ask.request.headers.items()}
    for hook in ask.deps.hooks(name):
        if not hook.secrets:
            continue
        delivery = WebhookDelivery(ask.raw, headers, hook.name, ask.deps.clock.now())
        try:
            await hook.source.verify(delivery, hook.secrets)
        except StaleDelivery:
            raise
        except BadSignature:
            continue
        return hook, delivery
    raise BadSignature


def _borne(fault: RigError) -> str:
    """What went wrong in a plugin, so that the delivery is kept and tried again; what is wrong with the delivery is raised."""
    if fault.http_status < 500:
        raise fault
    return fault.message


def _duplicate(ask: Ask, id: str) -> web.StreamResponse:
    return ask.answer(answers.DeliveryAccepted(delivery_id=id, duplicate=True, matched=0, jobs=()))


async def list_webhook_deliveries(ask: Ask) -> web.StreamResponse:
    """``GET /api/webhook-deliveries``: newest first."""
    limit, offset = lists.window(ask)
    where: list[Any] = []
    if (source := ask.text("source")) is not None:
        where.append(("source", "=", source))
    if (state := ask.text("state")) is not None:
        if state not in model.STATES:
            raise BadRequest(f"state is one of: {', '.join(model.STATES)}", field="state")
        where.append(("state", "=", state))
    return await lists.array(ask, Query(DELIVERIES, ask.call.tenant, tuple(where), ("-at",), limit, offset), views.delivery)


async def get_webhook_delivery(ask: Ask) -> web.StreamResponse:
    """``GET /api/webhook-deliveries/{id}``."""
    row = await ask.deps.inbox.find(ask.call.tenant, ask.path("id"), ask.text("source"))
    return ask.answer(views.delivery_detail(row))


async def replay_webhook_delivery(ask: Ask) -> web.StreamResponse:
    """``POST /api/webhook-deliveries/{id}/replay``: the kept body, read with today's plugin and configuration."""
    id = ask.path("id")
    force = {None: False, "false": False, "true": True}.get(ask.text("force"))
    if force is None:
        raise BadRequest("force is true or false", field="force")

    def dress(unit: Unit, matched: int, ignored: str | None) -> Unit:
        def answer(committed: Committed) -> Outcome:
            return outcome(
                answers.DeliveryAccepted(
                    delivery_id=id, duplicate=False, matched=matched, jobs=(), ignored=ignored, state="replayed"
                )
            )

        return msgspec.structs.replace(
            unit,
            principal=ask.call.principal,
            operation=ask.call.operation,
            request_id=ask.call.request_id,
            idempotency=ask.idempotency or Idempotency(f"{ask.call.tenant}\nreplay\n{ask.call.request_id}", b""),
            outcome=answer,
        )

    committed = await ask.deps.inbox.replay(ask.call.tenant, id, ask.text("source"), force=force, dress=dress)
    assert committed.outcome is not None
    return ask.replay(committed.outcome, committed.replayed)
