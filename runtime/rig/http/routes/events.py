"""Posting events, one or many, and reading one stream's."""

from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web

from rig.errors import BadRequest, Forbidden, NotFound, RigError, StaleLease, Unprocessable
from rig.http import door
from rig.http.ask import AS_OF, Ask
from rig.model import facts
from rig.model.events import Event, NewEvent, encode
from rig.model.facts import Fact
from rig.model.folds.usage import tokens_of
from rig.model.rows import UnappliedRow
from rig.model.tables import LEASES
from rig.store.port import Snapshot
from rig.store.units import Committed, Outcome
from rig.wire import views
from rig.wire.shapes.answers import EventResult

MAX_BATCH = 1000
TRIES = 3
"""How often a batch is looked through again when a lease ends between the look and the commit."""

ATTEMPT_MAY = frozenset(
    [
        "work_started",
        "branch_created",
        "pr_created",
        "cli_started",
        "cli_completed",
        "agent_stuck",
        "heartbeat",
        "token_usage",
        "memory_write",
        "memory_read",
        "memory_hit_used",
        "issue_done",
    ]
)
"""Events that the key of an attempt may post: what an agent says of its own work, not what others judge of it."""


async def post_event(ask: Ask) -> web.StreamResponse:
    """``POST /api/events``: one fact, one commit."""
    request = ask.request
    door.media_type(request)
    fact = facts.parse(door.decode_object(ask.raw) if len(ask.raw) < door.BIG else await door.decoded(ask.raw))
    fence = _admit(ask, fact)
    if fact.type.name == "token_usage":
        await _learn(ask, fact.body["model"])
    return await ask.commit(_event(ask, fact), answer=_posted, fences=() if fence is None else (fence,))


def _posted(committed: Committed) -> Outcome:
    return Outcome(200, msgspec.json.encode(views.accepted(committed.events[0], refused(committed, committed.events[0]))))


async def _learn(ask: Ask, *models: str) -> None:
    """Know the prices of the models that usage lines name, so that counting them waits for nothing."""
    for model in models:
        await ask.deps.learn(model)


def refused(committed: Committed, event: Event) -> UnappliedRow | None:
    """Why an event changed nothing, None when it did."""
    row = committed.rows.get(("unapplied", f"{event.sequence:016d}"))
    return row if isinstance(row, UnappliedRow) else None


def _event(ask: Ask, fact: Fact) -> NewEvent:
    body = fact.body
    if fact.type.name != "token_usage":
        return NewEvent(fact.stream, fact.type.name, encode(body))
    cost = ask.deps.price(body["model"], tokens_of(body), body.get("costUsd"), body.get("cacheCreation1hTokens") or 0)
    return NewEvent(fact.stream, "token_usage", encode(body), encode({"cost": cost}))


def _admit(ask: Ask, fact: Fact) -> tuple[str, int] | None:
    """The fence that goes with a fact; raises Forbidden for what is not an attempt's own, StaleLease for another issue's."""
    identity = ask.identity
    if fact.lease is not None and fact.type.name == "issue_assigned":
        lease = ask.deps.store.get(LEASES, ask.call.tenant, fact.lease[0])
        if lease is not None and lease.issue != fact.stream:
            raise StaleLease("the lease is on another issue", lease=lease.id)
    if identity.execution is None:
        return fact.lease
    if fact.stream not in (identity.issue, identity.agent) or fact.type.name not in ATTEMPT_MAY:
        raise Forbidden("an attempt may post its own events only")
    if fact.body.get("agentId", identity.agent) != identity.agent:
        raise Forbidden("an attempt may speak for its own agent only")
    if fact.body.get("executionId", identity.execution) != identity.execution:
        raise Forbidden("an attempt may speak for its own execution only")
    if fact.lease is not None and fact.lease != identity.lease:
        raise StaleLease
    return identity.lease


async def post_events(ask: Ask) -> web.StreamResponse:
    """``POST /api/events/batch``: every good event in one commit, one result each, in order."""
    kind = door.media_type(ask.request, *door.NDJSON)
    payloads = await _payloads(ask.raw, kind in door.NDJSON)
    known = ask.known_outcome()
    if known is not None:
        return ask.replay(known)
    await _learn(ask, *{str(p["model"]) for p in payloads if isinstance(p, dict) and isinstance(p.get("model"), str)})
    parsed = [_try(ask, payload) for payload in payloads]
    for _ in range(TRIES):
        entries = _without_stale(ask, parsed)
        good = [entry for entry in entries if isinstance(entry, tuple)]
        try:
            return await _commit(ask, entries, good)
        except StaleLease:
            continue
    raise StaleLease


async def _payloads(raw: bytes, lines: bool) -> Sequence[Any]:
    if lines:
        texts = [line for line in raw.split(b"\n") if line.strip()]
        if len(texts) > MAX_BATCH:
            raise Unprocessable(f"a batch has at most {MAX_BATCH} events")
        if not texts:
            raise BadRequest("the batch is empty")
        return [_line(text) for text in texts]
    value = await door.decoded(raw)
    if type(value) is not list or not value:
        raise BadRequest("a batch is a JSON array of events, or NDJSON with an event a line")
    if len(value) > MAX_BATCH:
        raise Unprocessable(f"a batch has at most {MAX_BATCH} events")
    return value


def _line(text: bytes) -> Any:
    try:
        return door.decode(text)
    except RigError as error:
        return error


Entry = tuple[NewEvent, tuple[str, int] | None]


def _try(ask: Ask, payload: Any) -> Entry | RigError:
    if isinstance(payload, RigError):
        return payload
    try:
        fact = facts.parse(payload)
        return _event(ask, fact), _admit(ask, fact)
    except Forbidden:
        raise  # who may not post one of them posts none, and that is recorded
    except RigError as error:
        return error


def _without_stale(ask: Ask, parsed: Sequence[Entry | RigError]) -> list[Entry | RigError]:
    """Entries whose fence is stale by now become errors of their own, so that the others are not refused with them."""
    live: dict[tuple[str, int], bool] = {}
    entries: list[Entry | RigError] = []
    for entry in parsed:
        if isinstance(entry, tuple) and entry[1] is not None:
            fence = entry[1]
            if fence not in live:
                row = ask.deps.store.get(LEASES, ask.call.tenant, fence[0])
                live[fence] = row is not None and row.state == "live" and row.fence == fence[1]
            entries.append(entry if live[fence] else StaleLease())
        else:
            entries.append(entry)
    return entries


async def _commit(ask: Ask, entries: Sequence[Entry | RigError], good: Sequence[Entry]) -> web.StreamResponse:
    def outcome(committed: Committed) -> Outcome:
        stored = iter(committed.events)
        results = [
            views.result(event := next(stored), refused(committed, event))
            if isinstance(e, tuple)
            else EventResult(error=e.message, code=e.code)
            for e in entries
        ]
        return Outcome(200, msgspec.json.encode(results))

    if not good:
        return ask.replay(outcome(Committed((), 0, {})), replayed=False)
    fences = tuple(dict.fromkeys(fence for _, fence in good if fence is not None))
    return await ask.commit(*(event for event, _ in good), answer=outcome, fences=fences)


async def get_stream_events(ask: Ask) -> web.StreamResponse:
    """``GET /api/events/stream?id=``: an unknown stream is an empty list (R0-25)."""
    body, as_of = await _stream(ask, ask.required("id"))
    return ask.bytes(body or b"[]", headers={AS_OF: str(as_of)})


async def get_events_of(ask: Ask) -> web.StreamResponse:
    """``GET /api/events/{id}``: an unknown stream is 404."""
    body, as_of = await _stream(ask, ask.path("id"))
    if body is None:
        raise NotFound("no event of this stream is known")
    return ask.bytes(body, headers={AS_OF: str(as_of)})


async def _stream(ask: Ask, stream: str) -> tuple[bytes | None, int]:
    tenant = ask.call.tenant

    def job(snapshot: Snapshot) -> tuple[bytes | None, int]:
        events: list[Event] = snapshot.stream(tenant, stream)
        body = msgspec.json.encode([views.stream_event(e) for e in events]) if events else None
        return body, snapshot.as_of(tenant)

    found: tuple[bytes | None, int] = await ask.deps.store.read(job)
    return found
