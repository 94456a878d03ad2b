"""GitLab's deliveries: who signed them, what they are called, and where their meaning is looked up."""

from collections.abc import Sequence

from rig import BadSignature, Identity, Mapped, WebhookDelivery, WebhookSettings
from rig.payload import clean, decoded_object, identifier, node, text
from rig.signatures import PREFIX, matches, standard
from rig_gitlab.config import GitLabConfig
from rig_gitlab.mapping import Reader


class GitLabSource:
    """The webhook source ``gitlab``."""

    type = "gitlab"

    def __init__(self, config: GitLabConfig | None = None) -> None:
        self._config = config or GitLabConfig()

    def verify(self, delivery: WebhookDelivery, secrets: Sequence[str]) -> None:
        """A secret that begins with ``whsec_`` is a signing token and is checked against webhook-signature; any other is a secret
        token and must be X-Gitlab-Token itself."""
        tokens = [secret for secret in secrets if not secret.startswith(PREFIX)]
        if matches(delivery.header("x-gitlab-token") or "", tokens):
            return
        signing = [secret for secret in secrets if secret.startswith(PREFIX)]
        if not signing:
            raise BadSignature
        standard(
            delivery.body,
            id=delivery.header("webhook-id"),
            timestamp=delivery.header("webhook-timestamp"),
            signatures=delivery.header("webhook-signature"),
            secrets=signing,
            now=delivery.at / 1e6,
        )

    def identify(self, delivery: WebhookDelivery) -> Identity:
        """Idempotency-Key, which stays the same when GitLab tries again; older versions send none."""
        payload = decoded_object(delivery.body)
        named = identifier(delivery.header("idempotency-key")) or identifier(delivery.header("webhook-id")) or ""
        kind, action = text(payload, "object_kind", 100), text(node(payload, "object_attributes"), "action", 100)
        event = kind or clean(delivery.header("x-gitlab-event") or "", 100) or "unknown"
        return Identity(named, f"{event}.{action}" if action else event)

    def normalize(self, delivery: WebhookDelivery, settings: WebhookSettings) -> Mapped:
        """The facts that GitHub's deliveries would be too, or why there are none."""
        return Reader(decoded_object(delivery.body), settings, self._config).read()
