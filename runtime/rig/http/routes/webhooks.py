"""Signed deliveries: verified over raw bytes, told apart by their id, and stored with what they cause in one unit."""

import hashlib

from aiohttp import web

from rig.errors import BadSignature, Conflict, IdempotencyReuse, RigError, StaleDelivery
from rig.http.ask import Ask, outcome
from rig.http.deps import Hook
from rig.http.routes import lists
from rig.model import facts
from rig.model.events import NewEvent, encode
from rig.model.tables import DELIVERIES, Query
from rig.plugin.contexts import Identity, WebhookDelivery
from rig.store.units import Committed, Idempotency, Outcome, Unit
from rig.wire import views
from rig.wire.shapes import answers

STREAM = "webhooks"


async def receive_webhook(ask: Ask) -> web.StreamResponse:
    """``POST /api/webhooks/{source}``."""
    return await _receive(ask, ask.path("source"))


async def receive_github_webhook(ask: Ask) -> web.StreamResponse:
    """``POST /api/webhook/github``."""
    return await _receive(ask, "github")


async def receive_linear_webhook(ask: Ask) -> web.StreamResponse:
    """``POST /webhooks/linear``."""
    return await _receive(ask, "linear")


async def _receive(ask: Ask, name: str) -> web.StreamResponse:
    hook, delivery = await _signed_for(ask, name)
    named = await hook.source.identify(delivery)
    digest = named.fingerprint or hashlib.sha256(ask.raw).hexdigest()
    row = ask.deps.store.get(DELIVERIES, hook.tenant, f"{hook.name}\n{named.delivery_id}")
    if row is not None:
        if row.digest != digest:
            raise Conflict("this delivery id came before with another body")
        return _duplicate(ask, named)
    unit = await _unit(ask, hook, delivery, named, digest)
    try:
        committed = await ask.deps.store.commit(unit)
    except IdempotencyReuse:
        raise Conflict("this delivery id came before with another body") from None
    if committed.replayed or committed.outcome is None:
        return _duplicate(ask, named)
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


async def _unit(ask: Ask, hook: Hook, delivery: WebhookDelivery, named: Identity, digest: str) -> Unit:
    mapped = await hook.source.normalize(delivery, ask.deps.hook_settings(hook.tenant))
    events: list[NewEvent] = []
    ignored = mapped.ignored
    try:
        for payload in mapped.facts:
            fact = facts.parse(dict(payload))
            events.append(NewEvent(fact.stream, fact.type.name, encode(fact.body), encode({"delivery": named.delivery_id})))
    except RigError as error:
        events, ignored = [], f"not usable: {error.message}"
    matched, streams = len(events), list(dict.fromkeys(e.stream for e in events))
    received = {
        "id": named.delivery_id,
        "source": hook.name,
        "event": named.event,
        "digest": digest,
        "matched": matched,
        "ignored": ignored,
        "streams": streams,
    }

    def answer(committed: Committed) -> Outcome:
        return outcome(
            answers.DeliveryAccepted(delivery_id=named.delivery_id, duplicate=False, matched=matched, jobs=(), ignored=ignored)
        )

    return Unit(
        hook.tenant,
        (NewEvent(STREAM, "webhook_received", encode(received)), *events),
        principal=f"webhook:{hook.name}",
        operation=ask.call.operation,
        request_id=ask.call.request_id,
        idempotency=Idempotency(f"{hook.tenant}\nwebhook\n{hook.name}\n{named.delivery_id}", bytes.fromhex(digest)),
        outcome=answer,
    )


def _duplicate(ask: Ask, named: Identity) -> web.StreamResponse:
    return ask.answer(answers.DeliveryAccepted(delivery_id=named.delivery_id, duplicate=True, matched=0, jobs=()))


async def list_webhook_deliveries(ask: Ask) -> web.StreamResponse:
    """``GET /api/webhook-deliveries``: newest first."""
    limit, offset = lists.window(ask)
    return await lists.array(ask, Query(DELIVERIES, ask.call.tenant, (), ("-at",), limit, offset), views.delivery)
