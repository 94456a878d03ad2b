"""Deliveries whose body is an event of Rig's, or a list of them, signed in one of two ways."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from rig import BadRequest, BadSignature, Identity, Mapped, WebhookDelivery, WebhookSettings
from rig.payload import clean, decoded, identifier
from rig.signatures import mac, matches, standard
from rig_webhooks.config import HmacScheme, WebhooksConfig

MAX_EVENTS = 1_000


class StandardSource:
    """The webhook source ``standard``: https://www.standardwebhooks.com."""

    type = "standard"

    def verify(self, delivery: WebhookDelivery, secrets: Sequence[str]) -> None:
        """webhook-signature over id, time and body; the time may be five minutes away."""
        standard(
            delivery.body,
            id=delivery.header("webhook-id"),
            timestamp=delivery.header("webhook-timestamp"),
            signatures=delivery.header("webhook-signature"),
            secrets=secrets,
            now=delivery.at / 1e6,
        )

    def identify(self, delivery: WebhookDelivery) -> Identity:
        """webhook-id, which is signed, and the body's ``type``."""
        named = identifier(delivery.header("webhook-id"))
        if named is None:
            raise BadRequest("the header webhook-id is not readable", header="webhook-id")
        return Identity(named, _event(decoded(delivery.body)))

    def normalize(self, delivery: WebhookDelivery, settings: WebhookSettings) -> Mapped:
        """The events that the body is."""
        return events(decoded(delivery.body))


class HmacSource:
    """The webhook source ``hmac``: a header with the HMAC of the raw body; ``[plugins.webhooks.hmac.<name>]`` has the rest."""

    type = "hmac"

    def __init__(self, config: WebhooksConfig | None = None) -> None:
        self._schemes: Mapping[str, HmacScheme] = (config or WebhooksConfig()).hmac

    def verify(self, delivery: WebhookDelivery, secrets: Sequence[str]) -> None:
        """The source's header, with its prefix and in its encoding, and nothing else."""
        scheme = self._scheme(delivery)
        digests = [mac(secret, delivery.body, scheme.algorithm) for secret in secrets if secret]
        rights = [d.hex() if scheme.encoding == "hex" else base64.b64encode(d).decode() for d in digests]
        if not matches((delivery.header(scheme.header) or "").strip(), [scheme.prefix + right for right in rights]):
            raise BadSignature

    def identify(self, delivery: WebhookDelivery) -> Identity:
        """The sender's id where the source names a header for it, and what happened."""
        scheme = self._scheme(delivery)
        named = identifier(delivery.header(scheme.id_header)) if scheme.id_header else ""
        if named is None:
            raise BadRequest(f"the header {scheme.id_header} is missing or not readable", header=scheme.id_header)
        event = identifier(delivery.header(scheme.event_header)) if scheme.event_header else None
        return Identity(named, event or _event(decoded(delivery.body)))

    def normalize(self, delivery: WebhookDelivery, settings: WebhookSettings) -> Mapped:
        """The events that the body is."""
        return events(decoded(delivery.body))

    def _scheme(self, delivery: WebhookDelivery) -> HmacScheme:
        return self._schemes.get(delivery.source) or HmacScheme()


def events(body: Any) -> Mapped:
    """The body as events; Rig itself refuses what is none of a known type."""
    found = body if isinstance(body, list) else [body]
    if len(found) > MAX_EVENTS:
        return Mapped(ignored=f"more than {MAX_EVENTS} events in one delivery")
    if not found or not all(isinstance(e, dict) and isinstance(e.get("type"), str) and e["type"] for e in found):
        return Mapped(ignored="the body is neither an event with a type nor a list of such")
    return Mapped(tuple(found))


def _event(body: Any) -> str:
    type_ = body.get("type") if isinstance(body, dict) else None
    if isinstance(type_, str) and type_:
        return clean(type_, 100)
    return f"{len(body)} events" if isinstance(body, list) else "unknown"
