"""The hash chain: what an event's hash covers, and how a stretch of the log is checked (I6)."""

from collections.abc import Iterable, Mapping
from hashlib import sha256

import msgspec

from rig.clock import Micros
from rig.model.events import Event

GENESIS = bytes(32)
"""The previous hash of the first event."""

_encode = msgspec.json.Encoder().encode


def envelope(
    position: int,
    tenant: str,
    sequence: int,
    stream: str,
    version: int,
    type_: str,
    id_: str,
    at: Micros,
    principal: str,
    operation: str,
    request_id: str,
    meta: bytes,
) -> bytes:
    """The canonical form of all of an event but its body and hash. Raises UnicodeDecodeError for meta that is not text."""
    return _encode(
        (position, tenant, sequence, stream, version, type_, id_, at, principal, operation, request_id, meta.decode())
    )


def envelope_of(event: Event) -> bytes:
    """``envelope`` of an event that is in the log."""
    return envelope(
        event.position,
        event.tenant,
        event.sequence,
        event.stream,
        event.version,
        event.type,
        event.id,
        event.at,
        event.principal,
        event.operation,
        event.request_id,
        event.meta,
    )


def link(previous: bytes, envelope_: bytes, body_hash: bytes) -> bytes:
    """sha256(previous ‖ envelope ‖ body digest): the body may be erased later and the chain still verifies."""
    return sha256(previous + envelope_ + body_hash).digest()


class Break(msgspec.Struct, frozen=True):
    """The first place where the log cannot be trusted."""

    position: int
    sequence: int
    why: str


class Walker:
    """Checks events one after another: gapless positions, sequences and versions, digests and hashes."""

    def __init__(
        self,
        position: int = 0,
        previous: bytes = GENESIS,
        *,
        whole: bool = True,
        erased: Mapping[tuple[str, int], bytes] | None = None,
    ) -> None:
        self.position = position
        self.previous = previous
        self._erased = erased or {}
        """(tenant, sequence) to the digest of what an erasure left of a body."""
        self._whole = whole
        """False when the walk starts amid the log: then the first sequence and version of each is taken as it is."""
        self._sequences: dict[str, int] = {}
        self._versions: dict[tuple[str, str], int] = {}

    def walk(self, events: Iterable[Event]) -> Break | None:
        """The first break, or None when all of them follow on what was walked before."""
        for event in events:
            try:
                why = self._fault(event)
            except TypeError:  # a flipped bit can change what kind of value SQLite reads
                why = "a field is not of its type"
            if why is not None:
                return Break(event.position, event.sequence, why)
            self.position, self.previous = event.position, event.hash
        return None

    def _fault(self, event: Event) -> str | None:
        if event.position != self.position + 1:
            return f"position {self.position + 1} is missing"
        sequence = self._sequences.get(event.tenant, 0 if self._whole else event.sequence - 1)
        if event.sequence != sequence + 1:
            return f"sequence {sequence + 1} is missing"
        key = (event.tenant, event.stream)
        version = self._versions.get(key, 0 if self._whole else event.version - 1)
        if event.version != version + 1:
            return f"version {version + 1} of stream {event.stream} is missing"
        digest = sha256(event.body).digest()
        if digest != event.body_hash and digest != self._erased.get((event.tenant, event.sequence)):
            return "the body does not match its digest"
        try:
            expected = link(self.previous, envelope_of(event), event.body_hash)
        except UnicodeDecodeError:
            return "the envelope is not text"
        if expected != event.hash:
            return "the hash does not follow from the event and the one before"
        self._sequences[event.tenant] = event.sequence
        self._versions[key] = event.version
        return None
