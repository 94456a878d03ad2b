"""Signs deliveries as each kind of sender does, and reads fixtures."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parent.parent / "fixtures"
NOW = 1_800_000_000
"""Seconds; the clock of these tests."""
WHSEC = "whsec_" + base64.b64encode(b"k" * 32).decode()
WHSEC_OLD = "whsec_" + base64.b64encode(b"o" * 32).decode()


def payload(kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIXTURES / kind / f"{name}.json").read_text())
    return found


def names(kind: str) -> list[str]:
    return sorted(path.stem for path in (FIXTURES / kind).glob("*.json"))


def hexed(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def standard(secret: str, body: bytes, id: str = "msg_1", at: int = NOW) -> dict[str, str]:
    """The headers of Standard Webhooks, computed from its text and not by Rig."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.new(key, f"{id}.{at}.".encode() + body, hashlib.sha256).digest()).decode()
    return {"webhook-id": id, "webhook-timestamp": str(at), "webhook-signature": f"v1,{signature}"}
