"""API keys: create, list, revoke."""

import msgspec
from aiohttp import web

from rig.clock import iso
from rig.errors import Forbidden, NotFound
from rig.http.ask import Ask, outcome
from rig.http.routes import lists
from rig.model.events import NewEvent, encode
from rig.model.rows import KeyRow
from rig.model.tables import KEYS, Query
from rig.store.port import Snapshot
from rig.store.units import Committed, Outcome
from rig.vault.keys import make_key
from rig.wire import views
from rig.wire.shapes import answers, requests

STREAM = "keys"


async def list_api_keys(ask: Ask) -> web.StreamResponse:
    """``GET /api/api-keys``: the tenant's own, by prefix; keys of attempts are not shown."""
    tenant = ask.call.tenant

    def job(snapshot: Snapshot) -> bytes:
        rows = [row for _, row in snapshot.page(Query(KEYS, tenant, (("api", "=", 1),), limit=10_000))]
        shown = sorted((r for r in rows if r.revoked_at is None), key=lambda r: (r.created_at, r.id))
        return msgspec.json.encode([views.key(row) for row in shown])

    return ask.bytes(await lists.snapshot(ask, job))


async def create_api_key(ask: Ask) -> web.StreamResponse:
    """``POST /api/api-keys``: the only answer that ever shows the key; it has no more than its creator."""
    body = await ask.body(requests.NewKey)
    deps, call = ask.deps, ask.call
    tenant = body.tenant or call.tenant
    if tenant != call.tenant and ask.identity.tenant is not None and ask.identity.key is not None:
        raise Forbidden("a key can be made for its creator's tenant only")
    for scope in body.scopes:
        if not call.may(scope):
            raise Forbidden(f"the creator does not have {scope}")
    key = make_key(deps.ids)
    key_id = f"api-key-{key.prefix}"
    event = {"id": key_id, "name": body.name, "prefix": key.prefix, "digest": key.digest, "scopes": body.scopes}

    def answer(committed: Committed) -> Outcome:
        shown = answers.KeyCreated(
            id=key_id,
            name=body.name,
            prefix=key.prefix,
            key=key.text,
            scopes=tuple(body.scopes),
            created_at=iso(committed.at),
        )
        return Outcome(201, deps.seal(msgspec.json.encode(shown)))

    return await ask.commit(NewEvent(STREAM, "key_created", encode(event)), answer=answer, tenant=tenant)


async def revoke_api_key(ask: Ask) -> web.StreamResponse:
    """``DELETE /api/api-keys/{id}``: holds from the commit on, also for open streams."""
    key_id = ask.path("id")
    row: KeyRow | None = ask.deps.store.get(KEYS, ask.call.tenant, key_id)
    if row is None or row.revoked_at is not None:
        raise NotFound("no such key")

    def answer(committed: Committed) -> Outcome:
        return outcome(answers.Removed(removed=key_id))

    return await ask.commit(NewEvent(STREAM, "key_revoked", encode({"id": key_id})), answer=answer)
