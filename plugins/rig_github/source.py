"""GitHub's deliveries: who signed them, what they are called, and where their meaning is looked up."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from rig import BadRequest, BadSignature, Identity, MalformedJson, Mapped, WebhookDelivery, WebhookSettings
from rig_github.config import GitHubConfig
from rig_github.mapping import Reader

MAX_ID = 200


class GitHubSource:
    """The webhook source ``github``."""

    type = "github"

    def __init__(self, config: GitHubConfig | None = None) -> None:
        self._config = config or GitHubConfig()

    def verify(self, delivery: WebhookDelivery, secrets: Sequence[str]) -> None:
        """Compare X-Hub-Signature-256 with the HMAC under each secret, in constant time; an empty secret signs nothing."""
        given = (delivery.header("x-hub-signature-256") or "").strip().encode("utf-8", "replace")
        matched = False
        for secret in secrets:
            right = b"sha256=" + hmac.new(secret.encode(), delivery.body, hashlib.sha256).hexdigest().encode()
            matched |= hmac.compare_digest(given, right) and bool(secret)
        if not matched:
            raise BadSignature

    def identify(self, delivery: WebhookDelivery) -> Identity:
        """X-GitHub-Delivery, and X-GitHub-Event with the payload's action."""
        identity = _header(delivery, "x-github-delivery")
        event = _header(delivery, "x-github-event")
        action = _payload(delivery).get("action")
        return Identity(identity, f"{event}.{action[:MAX_ID]}" if isinstance(action, str) and action else event)

    def normalize(self, delivery: WebhookDelivery, settings: WebhookSettings) -> Mapped:
        """The facts of conventions §4, or why there are none."""
        event = _header(delivery, "x-github-event")
        return Reader(_payload(delivery), settings, self._config).read(event)


def _header(delivery: WebhookDelivery, name: str) -> str:
    value = (delivery.header(name) or "").strip()
    if not value or len(value) > MAX_ID or not value.isprintable():
        raise BadRequest(f"the header {name} is missing or not readable", header=name)
    return value


def _payload(delivery: WebhookDelivery) -> dict[str, Any]:
    """The payload, whether it was sent as JSON or as a form."""
    try:
        text = delivery.body.decode()
        if (delivery.header("content-type") or "").startswith("application/x-www-form-urlencoded"):
            text = parse_qs(text, strict_parsing=True, max_num_fields=10)["payload"][0]
        payload = json.loads(text)
    except (ValueError, KeyError, RecursionError):
        raise MalformedJson("the delivery is not acceptable JSON") from None
    if not isinstance(payload, dict):
        raise MalformedJson("the delivery must be a JSON object")
    return payload
