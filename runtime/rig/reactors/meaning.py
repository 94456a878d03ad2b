"""What a delivery means today: the facts that its plugin reads from it, checked, as events."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rig.clock import Micros
from rig.errors import RigError
from rig.ids import DEFAULT_TENANT
from rig.model import delivery, facts
from rig.model.events import NewEvent, encode
from rig.model.facts import Fact
from rig.model.folds.usage import tokens_of
from rig.model.rows import Tokens
from rig.model.tables import TRACKED, Query
from rig.payload import clean
from rig.plugin.contexts import WebhookDelivery, WebhookSettings
from rig.plugin.sources import Hook
from rig.store.port import Store


@dataclass(frozen=True)
class Meaning:
    """What a delivery means; nothing when it has no facts, and then ``ignored`` says why."""

    facts: tuple[Fact, ...] = ()
    ignored: str | None = None

    def left(self, caused: Sequence[str]) -> "Meaning":
        """What of it was not caused before."""
        found = tuple(delivery.left(self.facts, caused))
        return (
            Meaning(found, self.ignored) if found or not self.facts else Meaning(ignored="all that it means was caused before")
        )

    def fences(self) -> tuple[tuple[str, int], ...]:
        """The leases that its facts name."""
        return tuple(dict.fromkeys(fact.lease for fact in self.facts if fact.lease is not None))


class Interpreter:
    """Reads the deliveries of all sources."""

    def __init__(
        self,
        store: Store,
        settings: Callable[[str], WebhookSettings],
        price: Callable[[str, Tokens, Any], dict[str, Any]],
    ) -> None:
        """``settings`` are those of a tenant, ``price`` says what tokens cost."""
        self._store = store
        self._settings = settings
        self._price = price

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

    def events(self, found: Sequence[Fact], id: str) -> tuple[NewEvent, ...]:
        """Facts as the events of a delivery."""
        return tuple(self._event(fact, id) for fact in found)

    def _event(self, fact: Fact, id: str) -> NewEvent:
        meta: dict[str, Any] = {"delivery": id}
        if fact.type.name == "token_usage":
            meta["cost"] = self._price(fact.body["model"], tokens_of(fact.body), fact.body.get("costUsd"))
        return NewEvent(fact.stream, fact.type.name, encode(fact.body), encode(meta))


def said(meaning: Meaning | None, error: str | None, due: Micros | None) -> dict[str, Any]:
    """What a delivery's row says of its meaning; None: its plugin failed with ``error`` and is asked again when it is ``due``."""
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
