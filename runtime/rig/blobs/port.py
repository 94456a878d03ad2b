"""The port of the blob store: content goes in, its sha-256 comes out, and only those very bytes come back."""

import re
from hashlib import sha256
from typing import BinaryIO, Protocol

from rig.errors import BadRequest, NotFound, RigError

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


class BadDigest(BadRequest):
    """A digest is 64 lowercase hex digits."""

    code = "bad_digest"


class BlobMissing(NotFound):
    """There is no content with this digest."""

    code = "blob_missing"


class BlobCorrupt(RigError):
    """The stored content does not match its digest; it is not given out."""

    code = "artifact_corrupt"


def digest_of(data: bytes) -> str:
    """The digest under which ``data`` is stored."""
    return sha256(data).hexdigest()


def checked(digest: str) -> str:
    """``digest`` if it is one; raises BadDigest. Adapters call it before a digest touches a path."""
    if not _DIGEST.match(digest):
        raise BadDigest
    return digest


class Blobs(Protocol):
    """Stores content by digest. Every call blocks on the disk or the network: make it off the event loop."""

    def put(self, data: bytes) -> str:
        """Store ``data`` durably and return its digest; storing the same content again changes nothing.

        Raises StorageUnavailable when it could not be stored.
        """
        ...

    def get(self, digest: str) -> bytes:
        """The content, verified. Raises BadDigest, BlobMissing, BlobCorrupt."""
        ...

    def open(self, digest: str) -> BinaryIO:
        """The content as a file at its start, verified before it is handed out; the caller closes it. Raises as ``get``."""
        ...

    def delete(self, digest: str) -> None:
        """Forget the content; whoever calls this knows that nobody else needs it. Raises BadDigest, not when there is none."""
        ...

    def has(self, digest: str) -> bool:
        """Whether the content is there; it is not read. Raises BadDigest."""
        ...
