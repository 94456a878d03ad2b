"""Ids and randomness behind one seam, so that a test can draw them again."""

import random
import secrets
from typing import NewType, Protocol

from uuid_utils import uuid7

Tenant = NewType("Tenant", str)
StreamId = NewType("StreamId", str)
"""``owner/repo#42`` or an identifier for issues, the agent's id for agents, ``ir-`` + 8 hex for jobs."""

DEFAULT_TENANT = Tenant("default")


class Ids(Protocol):
    """Draws new ids; what was drawn goes into the event, so that a replay never draws."""

    def uuid(self) -> str:
        """A new UUIDv7, sortable by time."""
        ...

    def job(self) -> str:
        """``ir-`` and 8 hex digits; the caller redraws on collision."""
        ...

    def secret(self) -> str:
        """A new secret of 256 bits, URL-safe."""
        ...

    def random(self) -> float:
        """A number in [0, 1), for jitter."""
        ...


class SystemIds:
    """Ids from the operating system's randomness."""

    def uuid(self) -> str:
        return str(uuid7())

    def job(self) -> str:
        return "ir-" + secrets.token_hex(4)

    def secret(self) -> str:
        return secrets.token_urlsafe(32)

    def random(self) -> float:
        return secrets.randbelow(1 << 53) / (1 << 53)


class SeededIds:
    """The same ids for the same seed; for tests and for ``rig demo``'s scripts, never for secrets that matter."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._count = 0

    def uuid(self) -> str:
        self._count += 1
        return f"01900000-0000-7000-8000-{self._count:012x}"

    def job(self) -> str:
        return f"ir-{self._random.getrandbits(32):08x}"

    def secret(self) -> str:
        return f"{self._random.getrandbits(256):064x}"

    def random(self) -> float:
        return self._random.random()
