"""Signs deliveries as well-known senders do, so that a webhook source can be tried with one that it must accept."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Literal

from rig.plugin.contexts import WebhookDelivery
from rig.signatures import mac, sign_standard

Signer = Callable[[bytes, str, int], Mapping[str, str]]
"""(body, secret, time in seconds) to the headers that sign it."""

Way = Literal["standard", "github", "gitlab", "linear", "hmac"]

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes ok!").decode()
OTHER = "whsec_" + base64.b64encode(b"another one of thirty-two bytes!").decode()
NOW = 1_767_323_045
"""When deliveries come, in seconds since 1970."""
DELIVERY_ID = "0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"


def standard(body: bytes, secret: str, at: int) -> dict[str, str]:
    """Standard Webhooks: https://www.standardwebhooks.com."""
    return sign_standard(body, id=DELIVERY_ID, at=at, secret=secret)


def github(body: bytes, secret: str, at: int) -> dict[str, str]:
    """``X-Hub-Signature-256``, as GitHub and many others have it."""
    signed = {"x-hub-signature-256": "sha256=" + mac(secret, body).hex()}
    return {**signed, "x-github-delivery": DELIVERY_ID, "x-github-event": "issues"}


def gitlab(body: bytes, secret: str, at: int) -> dict[str, str]:
    """The secret itself in a header."""
    return {"x-gitlab-token": secret, "x-gitlab-event": "Issue Hook", "x-gitlab-event-uuid": DELIVERY_ID}


def linear(body: bytes, secret: str, at: int) -> dict[str, str]:
    """A bare HMAC in hex; the time is in the body."""
    return {"linear-signature": mac(secret, body).hex(), "linear-delivery": DELIVERY_ID, "linear-event": "Issue"}


def hmac(body: bytes, secret: str, at: int) -> dict[str, str]:
    """A bare HMAC in hex under the most usual name."""
    return {"x-signature": mac(secret, body).hex(), "x-signature-256": mac(secret, body).hex()}


WAYS: Mapping[str, Signer] = {"standard": standard, "github": github, "gitlab": gitlab, "linear": linear, "hmac": hmac}
SIGNERS: tuple[Signer, ...] = tuple(WAYS.values())

BODY = json.dumps(
    {"type": "ISSUE_APPROVED", "repo": "acme/shop", "issueNumber": 42, "title": "Add a cart", "action": "opened"}
    | {"webhookTimestamp": NOW * 1000, "object_kind": "issue", "data": {"id": "1"}}
).encode()
"""An event of Rig's that also has what well-known senders' bodies have."""


def delivery(
    body: bytes = BODY, headers: Mapping[str, str] | None = None, *, at: int = NOW, source: str = ""
) -> WebhookDelivery:
    """A delivery that came at ``at`` (seconds since 1970) with these headers."""
    lower = {name.lower(): value for name, value in (headers or {}).items()}
    return WebhookDelivery(body, lower, source=source, at=at * 1_000_000)


def signed_delivery(way: Way, body: bytes = BODY, secret: str = SECRET, *, at: int = NOW, source: str = "") -> WebhookDelivery:
    """A delivery that is signed as Standard Webhooks, GitHub, GitLab or Linear do, or with a bare HMAC in ``X-Signature``."""
    return delivery(body, WAYS[way](body, secret, at), at=at, source=source)
