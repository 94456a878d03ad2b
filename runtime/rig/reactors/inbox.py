"""The inbox of webhooks: takes deliveries in, tries those again that their plugin could not read, replays kept ones.

What a delivery causes and what its row says of it are one unit, so each happens once, whoever tries and however often.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from rig.actors.timers import Handler
from rig.blobs import BlobCorrupt, BlobMissing, Blobs
from rig.clock import Clock, Micros
from rig.errors import Conflict, Gone, NotFound, PluginError, RigError, StaleLease, VersionConflict
from rig.model import delivery
from rig.model.events import NewEvent, encode
from rig.model.rows import DeliveryRow, Tokens
from rig.model.tables import DELIVERIES, Query
from rig.plugin.contexts import WebhookDelivery, WebhookSettings
from rig.plugin.sources import Hook
from rig.reactors.bodies import Bodies
from rig.reactors.meaning import Interpreter, Meaning, said
from rig.store.port import Store
from rig.store.units import Committed, Idempotency, Outcome, Timer, Unit

TRIES = 5
"""How often a replay is decided again when other deliveries come in between."""


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
        self._clock = clock
        self._hooks = hooks
        self._policy = policy
        self.bodies = Bodies(store, blobs)
        self.interpreter = Interpreter(store, settings, price)

    def handlers(self) -> dict[str, Handler]:
        """The handlers of ``rig.actors.timers.Timers`` by kind of timer."""
        return {"webhook": self._retry, "webhook-sweep": self.bodies.sweep}

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

    # Taking in

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
        about = {**about, **said(meaning, error, timers[-1].due if meaning is None else None)}
        causes = meaning or Meaning()
        return Unit(
            hook.tenant,
            (NewEvent(delivery.STREAM, "webhook_received", encode(about)), *self.interpreter.events(causes.facts, id)),
            principal=f"webhook:{hook.name}",
            operation=operation,
            request_id=request_id,
            timers=tuple(timers),
            fences=causes.fences(),
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
        body = await self.bodies.get(row.body)
        hook = next((h for h in self._hooks(row.source) if h.name == row.source and h.tenant == tenant), None)
        if hook is None:
            raise PluginError(f"no source {row.source} is configured, or its plugin is not loaded")
        return await self.interpreter.read(hook, WebhookDelivery(body, row.headers, row.source, row.at))

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
        left = None if meaning is None else meaning.left(() if force else row.caused)
        about = {"id": row.id, "source": row.source, "tries": tries, **said(left, error, due)}
        if type_ == "webhook_replayed":
            about["state"] = "replayed"
        elif left is None and due is None:
            about["state"] = "dead"
        causes = left or Meaning()
        return Unit(
            tenant,
            (NewEvent(delivery.STREAM, type_, encode(about)), *self.interpreter.events(causes.facts, row.id)),
            principal=f"webhook:{row.source}",
            operation="retry_webhook",
            timers=timers,
            timers_fired=fired,
            fences=causes.fences(),
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
                version = snapshot.stream_version(tenant, delivery.STREAM)
                now = snapshot.get(DELIVERIES, tenant, f"{row.source}\n{row.id}") or row
            timers = (Timer(f"webhook:{row.source}\n{row.id}", None),)  # it has been read: nothing is left to be tried
            unit = self._changed(
                tenant, "webhook_replayed", now, meaning, None, tries=now.tries, due=None, timers=timers, force=force
            )
            body = msgspec.json.decode(unit.events[0].body)
            unit = dress(msgspec.structs.replace(unit, expect={delivery.STREAM: version}), body["matched"], body["ignored"])
            try:
                return await self._store.commit(unit)
            except VersionConflict:
                if last:
                    raise
        raise AssertionError
