"""API keys ``rig_<prefix>_<secret>``: shown once, stored as sha-256, listed by prefix (conventions §7)."""

import hashlib
import hmac
import re
from dataclasses import dataclass, field

from rig.ids import Ids

_KEY = re.compile(r"rig_([0-9a-f]{8})_([A-Za-z0-9_-]{43,86})", re.ASCII)


@dataclass(frozen=True)
class NewKey:
    """A key at the only moment when it is known."""

    prefix: str
    text: str = field(repr=False)
    """The key itself: given to its owner, then forgotten."""
    digest: str
    """What is stored."""


def make_key(ids: Ids) -> NewKey:
    """A new key with 256 bits of secret."""
    prefix = hashlib.sha256(ids.secret().encode()).hexdigest()[:8]
    text = f"rig_{prefix}_{ids.secret()}"
    return NewKey(prefix, text, digest(text))


def key_prefix(text: str) -> str | None:
    """The prefix of a well-formed key, None for anything else."""
    match = _KEY.fullmatch(text)
    return match[1] if match else None


def digest(text: str) -> str:
    """Lowercase hex sha-256 of a key, which also serves keys of another form (SUBMIT_API_KEYS)."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def matches(text: str, stored: str) -> bool:
    """Whether ``text`` is the key whose digest was stored; takes the same time for every wrong one."""
    return hmac.compare_digest(digest(text), stored)
