"""Signatures of webhooks: computed over raw bytes, compared in constant time. Public, for authors of webhook sources. Pure."""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence

from rig.errors import BadSignature, StaleDelivery

TOLERANCE = 300
"""Seconds that a signed time may be away, as Standard Webhooks recommends."""

PREFIX = "whsec_"
"""How a signing secret of Standard Webhooks begins; base64 follows."""


def mac(secret: str | bytes, data: bytes, algorithm: str = "sha256") -> bytes:
    """The HMAC of ``data``; ``algorithm`` is a name of hashlib."""
    return hmac.new(secret.encode() if isinstance(secret, str) else secret, data, algorithm).digest()


def matches(given: str, rights: Iterable[str]) -> bool:
    """Whether ``given`` is one of ``rights``; each is compared, in a time that says nothing of where they differ."""
    sent, found = given.encode("utf-8", "replace"), False
    for right in rights:
        found |= hmac.compare_digest(hashlib.sha256(sent).digest(), hashlib.sha256(right.encode()).digest()) and bool(right)
    return found


def in_time(signed_at: float, now: float, tolerance: float) -> None:
    """Raise StaleDelivery unless the two times, in seconds, are at most ``tolerance`` apart."""
    if not abs(now - signed_at) <= tolerance:  # also for what is no number
        raise StaleDelivery


def standard(
    body: bytes, *, id: str | None, timestamp: str | None, signatures: str | None, secrets: Sequence[str], now: float
) -> None:
    """Verify as Standard Webhooks has it (https://www.standardwebhooks.com): ``v1`` is the HMAC of ``id.timestamp.body``.

    ``signatures`` may hold several, separated by blanks, as while a secret is rotated. A secret that is no base64 signs nothing.
    Raises BadSignature, StaleDelivery.
    """
    signed = f"{id}.{timestamp}.".encode("utf-8", "replace") + body
    rights = [base64.b64encode(mac(key, signed)).decode() for secret in secrets if (key := _key(secret))]
    given = [value for part in (signatures or "").split(" ")[:16] for v, _, value in [part.partition(",")] if v == "v1"]
    good = [matches(value, rights) for value in given]
    if not id or not timestamp or not any(good):
        raise BadSignature
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 15:
        raise BadSignature("the signed time is no number of seconds")
    in_time(int(timestamp), now, TOLERANCE)


def sign_standard(body: bytes, *, id: str, at: int, secret: str) -> dict[str, str]:
    """The headers with which Standard Webhooks signs a body; ``at`` in seconds. Raises ValueError for a secret that signs nothing."""
    key = _key(secret)
    if not key:
        raise ValueError("a signing secret is base64, perhaps after whsec_")
    signed = base64.b64encode(mac(key, f"{id}.{at}.".encode() + body)).decode()
    return {"webhook-id": id, "webhook-timestamp": str(at), "webhook-signature": f"v1,{signed}"}


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        return b""
