"""GitHub's deliveries: who signed them, what they are called, and where their meaning is looked up."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from rig import BadRequest, BadSignature, Identity, MalformedJson, Mapped, WebhookDelivery, WebhookSettings
from rig.payload import clean, decoded_object, identifier
from rig.signatures import mac, matches
from rig_github.config import GitHubConfig
from rig_github.mapping import Reader

MAX_ACTION = 200


class GitHubSource:
    """The webhook source ``github``."""

    type = "github"

    def __init__(self, config: GitHubConfig | None = None) -> None:
        self._config = config or GitHubConfig()

    def verify(self, delivery: WebhookDelivery, secrets: Sequence[str]) -> None:
        """Compare X-Hub-Signature-256 with the HMAC under each secret, in constant time; an empty secret signs nothing."""
        given = (delivery.header("x-hub-signature-256") or "").strip()
        if not matches(given, ["sha256=" + mac(secret, delivery.body).hex() for secret in secrets if secret]):
            raise BadSignature

    def identify(self, delivery: WebhookDelivery) -> Identity:
        """X-GitHub-Delivery, and X-GitHub-Event with the payload's action."""
        identity = _header(delivery, "x-github-delivery")
        event = _header(delivery, "x-github-event")
        action = _payload(delivery).get("action")
        return Identity(identity, f"{event}.{clean(action, MAX_ACTION)}" if isinstance(action, str) and action else event)

    def normalize(self, delivery: WebhookDelivery, settings: WebhookSettings) -> Mapped:
        """The facts of conventions §4, or why there are none."""
        event = _header(delivery, "x-github-event")
        return Reader(_payload(delivery), settings, self._config).read(event)


def _header(delivery: WebhookDelivery, name: str) -> str:
    value = identifier(delivery.header(name))
    if value is None:
        raise BadRequest(f"the header {name} is missing or not readable", header=name)
    return value


def _payload(delivery: WebhookDelivery) -> dict[str, Any]:
    """The payload, whether it was sent as JSON or as a form."""
    if not (delivery.header("content-type") or "").startswith("application/x-www-form-urlencoded"):
        return decoded_object(delivery.body)
    try:
        form = parse_qs(delivery.body.decode(), strict_parsing=True, max_num_fields=10)
        return decoded_object(form["payload"][0])
    except (ValueError, KeyError):
        raise MalformedJson("the delivery is not a form with a payload") from None
