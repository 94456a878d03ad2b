"""The inbox of webhooks: reads deliveries, keeps their bodies, tries those again that their plugin could not read, forgets bodies.

What a delivery causes and what its row says of it are one unit, so each happens once, whoever tries and however often.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from rig.actors.timers import Handler
from rig.blobs import BlobCorrupt, BlobMissing, Blobs
from rig.clock import Clock, Micros
from rig.errors import Conflict, Gone, NotFound, PluginError, RigError, StaleLease, VersionConflict
from rig.ids import DEFAULT_TENANT
from rig.model import delivery, facts
from rig.model.events import NewEvent, encode
from rig.model.facts import Fact
from rig.model.folds.usage import tokens_of
from rig.model.rows import DeliveryRow, Tokens
from rig.model.tables import DELIVERIES, TRACKED, Query
from rig.payload import clean
from rig.plugin.contexts import WebhookDelivery, WebhookSettings
from rig.plugin.sources import Hook
from rig.store.port import Store
from rig.store.units import Committed, Idempotency, Outcome, Timer, Unit

STREAM = "webhooks"
PAGE = 500
TRIES = 5
"""How often a replay is decided again when other deliveries come in between."""


@dataclass(frozen=True)
class Meaning:
    """What a delivery means today."""

    facts: tuple[Fact, ...] = ()
    ignored: str | None = None


@dataclass(frozen=True)
class Policy:
    """``[webhooks]``."""

    keep_days: int = 7
    retry_seconds: int = 60


class RetryTimer(msgspec.Struct, frozen=True):
    """The payload of a retry's timer."""

    source: str
    id: str


_retry_timer = msgspec.json.Decoder(RetryTimer).decode


class Inbox:
    """Deliveries of all sources; made by the composition root, used by the edge and by the timers."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        clock: Clock,
        *,
        hooks: Callable[[str], Sequence[Hook]],
        settings: Callable[[str], WebhookSettings],
        price: Callable[[str, Tokens, Any], dict[str, Any]],
        policy: Callable[[], Policy] = Policy,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._hooks = hooks
        self._settings = settings
        self._price = price
        self._policy = policy
        self._held: Counter[str] = Counter()
        """Bodies that a delivery being taken in needs, so that the sweep leaves them alone."""

    def handlers(self) -> dict[str, Handler]:
        """The handlers of ``rig.actors.timers.Timers`` by kind of timer."""
        return {"webhook": self._retry, "webhook-sweep": self._sweep}

    def row(self, tenant: str, source: str, id: str) -> DeliveryRow | None:
        """A delivery of the inbox; where its sender has no ids, None once the same body is a new delivery."""
        found = self._store.get(DELIVERIES, tenant, f"{source}\n{id}")
        if found is not None and found.by_body and self._clock.now() - found.at >= delivery.REPEAT:
            return None
        return found

    async def find(self, tenant: str, id: str, source: str | None) -> DeliveryRow:
        """The delivery that people call ``id``; raises NotFound, and Conflict when several sources have one of that id."""
        where: Any = (("id", "=", id), *((("source", "=", source),) if source else ()))
        rows = await self._store.read(lambda s: s.page(Query(DELIVERIES, tenant, where, ("-at",), limit=2)))
        if not rows:
            raise NotFound("there is no such delivery")
        if len(rows) > 1:
            raise Conflict(
                "several sources have a delivery of this id; name one with ?source=", sources=[r.source for _, r in rows]
            )
        found: DeliveryRow = rows[0][1]
        return found

    # What a delivery means

    async def read(self, hook: Hook, given: WebhookDelivery) -> Meaning:
        """What a verified delivery means; raises what the plugin does: BadRequest when it is not readable, PluginError."""
        mapped = await hook.source.normalize(given, self._settings(hook.tenant))
        try:
            for payload in mapped.facts:
                delivery.storable(payload)
            ignored = None if mapped.ignored is None else clean(mapped.ignored, 1_000)
            found = tuple(facts.parse(dict(payload)) for payload in mapped.facts)
            if mapped.version and hook.tenant == DEFAULT_TENANT and self._polled(hook.source.type, found, mapped.version):
                return Meaning(ignored="a poll has queued it already")
            return Meaning(found, ignored)
        except RigError as error:
            return Meaning(ignored=clean(f"not usable: {error.message}", 1_000))

    def _polled(self, tracker: str, found: Sequence[Fact], version: str) -> bool:
        """Whether all that a delivery says is that an issue is work, and a poll of the same tracker has queued it at that version."""
        if [fact.type.name for fact in found] != ["issue_approved"]:
            return False
        where: Any = (("stream", "=", found[0].stream),)
        with self._store.snapshot() as snapshot:
            rows = [row for _, row in snapshot.page(Query(TRACKED, DEFAULT_TENANT, where, limit=10))]
        known = [row for row in rows if row.tracker == tracker and row.phase == "active" and not row.hold]
        return any(row.approved and version <= row.updated for row in known)

    def _events(self, found: Sequence[Fact], id: str) -> tuple[NewEvent, ...]:
        return tuple(self._event(fact, id) for fact in found)

    def _event(self, fact: Fact, id: str) -> NewEvent:
        meta: dict[str, Any] = {"delivery": id}
        if fact.type.name == "token_usage":
            meta["cost"] = self._price(fact.body["model"], tokens_of(fact.body), fact.body.get("costUsd"))
        return NewEvent(fact.stream, fact.type.name, encode(fact.body), encode(meta))

    # Taking in

    @contextmanager
    def holding(self, digest: str) -> Iterator[None]:
        """The body is not swept while it is put and its row is committed."""
        self._held[digest] += 1
        try:
            yield
        finally:
            self._held[digest] -= 1
            if not self._held[digest]:
                del self._held[digest]

    async def keep(self, body: bytes) -> None:
        """Store a raw body durably; raises StorageUnavailable."""
        await asyncio.to_thread(self._blobs.put, body)

    def unit(
        self,
        hook: Hook,
        about: dict[str, Any],
        meaning: Meaning | None,
        error: str | None,
        *,
        idempotency: Idempotency,
        operation: str,
        request_id: str,
        answer: Callable[[Committed], Outcome],
    ) -> Unit:
        """The inbox row and what it causes; ``meaning`` None: the plugin failed with ``error`` and is asked again later.

        ``about`` is id, source, event, digest, body, size, headers, byBody.
        """
        policy, now, id = self._policy(), self._clock.now(), about["id"]
        hour = now // delivery.HOUR
        timers = [Timer(f"webhook-sweep:{hour}", (hour + 1) * delivery.HOUR + policy.keep_days * delivery.DAY)]
        if meaning is None:
            timers.append(self._again(about["source"], id, 0, now))
        said = _said(meaning, error, timers[-1].due if meaning is None else None)
        found = () if meaning is None else meaning.facts
        return Unit(
            hook.tenant,
            (NewEvent(STREAM, "webhook_received", encode({**about, **said})), *self._events(found, id)),
            principal=f"webhook:{hook.name}",
            operation=operation,
            request_id=request_id,
            timers=tuple(timers),
            fences=_fences(found),
            idempotency=idempotency,
            outcome=answer,
        )

    def _again(self, source: str, id: str, tries: int, now: Micros) -> Timer:
        wait = delivery.wait(tries, self._policy().retry_seconds * 1_000_000)
        assert wait is not None
        return Timer(f"webhook:{source}\n{id}", now + wait, msgspec.json.encode(RetryTimer(source, id)))

    # Trying again

    async def _retry(self, tenant: str, timer: Timer) -> object:
        payload = _retry_timer(timer.payload)
        row = self._store.get(DELIVERIES, tenant, f"{payload.source}\n{payload.id}")
        if row is None or row.state != "retry":
            return await self._store.commit(Unit(tenant, timers_fired=(timer,), operation="retry_webhook"))
        meaning, error = await self._read_again(tenant, row)
        tries, again = row.tries + 1, None
        if meaning is None and delivery.wait(tries, 1) is not None:
            again = self._again(row.source, row.id, tries, self._clock.now())
        unit = self._changed(
            tenant,
            "webhook_retried",
            row,
            meaning,
            error,
            tries=tries,
            due=None if again is None else again.due,
            timers=() if again is None else (again,),
            fired=(timer,),
        )
        try:
            return await self._store.commit(unit)
        except StaleLease:
            ended = Meaning(ignored="not usable: the lease that it names has ended")
            return await self._store.commit(
                self._changed(tenant, "webhook_retried", row, ended, None, tries=tries, due=None, fired=(timer,))
            )

    async def _read_again(self, tenant: str, row: DeliveryRow) -> tuple[Meaning | None, str | None]:
        """What a kept delivery means today, or None and why its plugin can't say."""
        try:
            return await self._meaning(tenant, row), None
        except (BlobMissing, BlobCorrupt, Gone) as error:
            return Meaning(ignored=f"the body is lost: {error.message}"), None
        except RigError as error:
            if error.http_status < 500:
                return Meaning(ignored=f"not readable: {error.message}"), None
            return None, error.message

    async def _meaning(self, tenant: str, row: DeliveryRow) -> Meaning:
        if row.body is None:
            raise Gone("the body of this delivery is not kept any more")
        body = await asyncio.to_thread(self._blobs.get, row.body)
        hook = next((h for h in self._hooks(row.source) if h.name == row.source and h.tenant == tenant), None)
        if hook is None:
            raise PluginError(f"no source {row.source} is configured, or its plugin is not loaded")
        return await self.read(hook, WebhookDelivery(body, row.headers, row.source, row.at))

    def _changed(
        self,
        tenant: str,
        type_: str,
        row: DeliveryRow,
        meaning: Meaning | None,
        error: str | None,
        *,
        tries: int,
        due: Micros | None,
        timers: tuple[Timer, ...] = (),
        fired: tuple[Timer, ...] = (),
        force: bool = False,
    ) -> Unit:
        """The row's change and what the delivery causes beyond what it caused before."""
        found = [] if meaning is None else delivery.left(meaning.facts, () if force else row.caused)
        said = _said(None if meaning is None else Meaning(tuple(found), meaning.ignored), error, due)
        if meaning is not None and meaning.facts and not found:
            said["ignored"] = "all that it means was caused before"
        if type_ == "webhook_replayed":
            said["state"] = "replayed"
        elif meaning is None and due is None:
            said["state"] = "dead"
        about = {"id": row.id, "source": row.source, "tries": tries, **said}
        return Unit(
            tenant,
            (NewEvent(STREAM, type_, encode(about)), *self._events(found, row.id)),
            principal=f"webhook:{row.source}",
            operation="retry_webhook",
            timers=timers,
            timers_fired=fired,
            fences=_fences(found),
        )

    async def replay(
        self, tenant: str, id: str, source: str | None, *, force: bool, dress: Callable[[Unit, int, str | None], Unit]
    ) -> Committed:
        """Read a kept delivery again; what it caused before is not caused again unless ``force``.

        ``dress`` puts the caller's name and answer on the unit, given how many events it holds and why there are none. Raises NotFound,
        Gone, PluginError, BadRequest, Conflict.
        """
        row = await self.find(tenant, id, source)
        try:
            meaning = await self._meaning(tenant, row)
        except BlobMissing:
            raise Gone("the body of this delivery is not kept any more") from None
        for last in (False,) * (TRIES - 1) + (True,):
            with self._store.snapshot() as snapshot:
                version = snapshot.stream_version(tenant, STREAM)
                now = snapshot.get(DELIVERIES, tenant, f"{row.source}\n{row.id}") or row
            timers = (Timer(f"webhook:{row.source}\n{row.id}", None),)  # it has been read: nothing is left to be tried
            unit = self._changed(
                tenant, "webhook_replayed", now, meaning, None, tries=now.tries, due=None, timers=timers, force=force
            )
            body = msgspec.json.decode(unit.events[0].body)
            unit = dress(msgspec.structs.replace(unit, expect={STREAM: version}), body["matched"], body["ignored"])
            try:
                return await self._store.commit(unit)
            except VersionConflict:
                if last:
                    raise
        raise AssertionError

    # Forgetting

    async def _sweep(self, tenant: str, timer: Timer) -> object:
        """Drop the bodies that came in one hour. Files go first: a row may say that a lost body is kept, never the other way round."""
        hour = int(timer.key.partition(":")[2])
        span: Any = (("at", ">=", hour * delivery.HOUR), ("at", "<", (hour + 1) * delivery.HOUR), ("kept", "=", 1))
        while True:
            rows = await self._store.read(lambda s: [row for _, row in s.page(Query(DELIVERIES, tenant, span, ("at",), PAGE))])
            for row in rows:
                if row.body is not None:
                    self._forget(row, row.body)
            last = len(rows) < PAGE
            dropped = [{"source": row.source, "id": row.id} for row in rows]
            events = (NewEvent(STREAM, "webhook_bodies_dropped", encode({"deliveries": dropped})),) if rows else ()
            fired = (timer,) if last else ()
            done = await self._store.commit(Unit(tenant, events, operation="sweep_webhooks", timers_fired=fired))
            if last:
                return done

    def _forget(self, row: DeliveryRow, digest: str) -> None:
        """Delete a body, unless a later delivery needs the same one. On the loop, so that none comes in between look and deletion."""
        with self._store.snapshot() as snapshot:
            for tenant in snapshot.tenants():
                where: Any = (("body", "=", digest), ("at", ">", row.at))
                if snapshot.page(Query(DELIVERIES, tenant, where, limit=1)):
                    return
        if not self._held[digest]:
            self._blobs.delete(digest)


def _said(meaning: Meaning | None, error: str | None, due: Micros | None) -> dict[str, Any]:
    found = () if meaning is None else meaning.facts
    state = "retry" if meaning is None else "accepted" if found else "ignored"
    return {
        "state": state,
        "matched": len(found),
        "ignored": None if meaning is None else meaning.ignored,
        "streams": list(dict.fromkeys(f.stream for f in found)),
        "caused": [delivery.cause(f) for f in found],
        "error": error,
        "nextTry": due,
    }


def _fences(found: Sequence[Fact]) -> tuple[tuple[str, int], ...]:
    return tuple(dict.fromkeys(f.lease for f in found if f.lease is not None))
