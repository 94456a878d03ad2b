"""Linear's deliveries: who signed them and when, what they are called, and what they mean. Everything in a payload is untrusted."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from rig import BadRequest, BadSignature, Identity, Mapped, WebhookDelivery, WebhookSettings
from rig.payload import clean, decoded_object, identifier, integer, labels, node, text
from rig.signatures import in_time, mac, matches
from rig_linear.config import LinearConfig

WINDOW = 60
"""Seconds that the signed ``webhookTimestamp`` may be away from Rig's clock, as Linear recommends."""

IDENTIFIER = re.compile(r"^[A-Z][A-Z0-9]{0,9}-\d{1,9}$")

PRIORITIES = {1: "critical", 2: "high", 3: "normal", 4: "low"}

ENDS = {
    "completed": ("ISSUE_DONE", "completed"),
    "canceled": ("ISSUE_CANCELLED", "canceled"),
    "duplicate": ("ISSUE_CANCELLED", "a duplicate"),
}
"""Type of a workflow state to the event that it is, and the word for it."""

TELLING = ("stateId", "labelIds")
"""Fields whose change changes what is to be done."""


class LinearSource:
    """The webhook source ``linear``."""

    type = "linear"

    def __init__(self, config: LinearConfig | None = None) -> None:
        self._config = config or LinearConfig()

    def verify(self, delivery: WebhookDelivery, secrets: Sequence[str]) -> None:
        """Linear-Signature over the raw body, then the time that is signed in it."""
        given = (delivery.header("linear-signature") or "").strip()
        if not matches(given, [mac(secret, delivery.body).hex() for secret in secrets if secret]):
            raise BadSignature
        signed = decoded_object(delivery.body).get("webhookTimestamp")
        if isinstance(signed, bool) or not isinstance(signed, int | float):
            raise BadRequest("webhookTimestamp is missing", field="webhookTimestamp")
        in_time(signed / 1e3 if abs(signed) < 1e18 else float("nan"), delivery.at / 1e6, WINDOW)

    def identify(self, delivery: WebhookDelivery) -> Identity:
        """Linear-Delivery, and type and action. A delivery that is sent again has another ``webhookTimestamp``."""
        payload = decoded_object(delivery.body)
        type_, action = text(payload, "type", 100), text(payload, "action", 100)
        if not type_ or not action:
            raise BadRequest("the delivery has no type or no action", field="type" if not type_ else "action")
        lasting = {name: value for name, value in payload.items() if name != "webhookTimestamp"}
        fingerprint = sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()
        return Identity(identifier(delivery.header("linear-delivery")) or "", f"{type_}.{action}", fingerprint)

    def normalize(self, delivery: WebhookDelivery, settings: WebhookSettings) -> Mapped:
        """What becomes of an issue, or why nothing does."""
        payload = decoded_object(delivery.body)
        type_ = text(payload, "type", 100)
        if type_ != "Issue":
            return ignored(f"{clean(type_, 100) or 'this'} is not an event that Rig follows")
        issue, action = node(payload, "data"), text(payload, "action", 100)
        named = text(issue, "identifier", 100)
        if not IDENTIFIER.match(named):
            return ignored("the payload names no issue")
        if action == "remove":
            return fact("ISSUE_CANCELLED", named, reason="removed in Linear")
        if action not in ("create", "update"):
            return ignored(f"Issue.{clean(action, 100)} does not change what is to be done")
        changed = node(payload, "updatedFrom")
        if action == "update" and not any(field in changed for field in TELLING):
            return ignored("neither the state nor the labels have changed")
        mapped = self._standing(
            issue, named, moved=action == "update" and "stateId" in changed, payload=payload, settings=settings
        )
        return replace(mapped, version=text(issue, "updatedAt", 50)) if action == "create" else mapped

    def _standing(
        self, issue: Mapping[str, Any], named: str, *, moved: bool, payload: Mapping[str, Any], settings: WebhookSettings
    ) -> Mapped:
        state = text(node(issue, "state"), "type", 50)
        if state in ENDS:
            type_, word = ENDS[state]
            return fact(type_, named, reason=f"{word} in Linear") if moved else ignored(f"the issue was {word} before")
        if state not in self._config.queued_types:
            return ignored(f"an issue whose state is of type {state or 'unknown'} is not to be done yet")
        names = labels(issue)
        missing = [label for label in settings.required_labels if label.lower() not in {n.lower() for n in names}]
        if missing:
            return ignored(f"the issue lacks the label {', '.join(missing)}")
        return fact(
            "ISSUE_APPROVED",
            named,
            title=text(issue, "title", 1_000),
            description=text(issue, "description", 262_144),
            url=text(issue, "url", 1_000) or text(payload, "url", 1_000),
            labels=names,
            priority=PRIORITIES.get(integer(issue, "priority") or 0),
        )


def ignored(reason: str) -> Mapped:
    """Nothing, for a reason."""
    return Mapped(ignored=reason)


def fact(type_: str, named: str, **fields: Any) -> Mapped:
    """An event of the issue that Linear calls ``named``; it is a stream of its own."""
    kept = {name: value for name, value in fields.items() if value not in (None, "")}
    return Mapped(({"type": type_, "identifier": named, **kept},))
