"""Content by its digest: bodies too large for the log, sealed segments of output, artifacts."""

from rig.blobs.folder import FolderBlobs
from rig.blobs.port import BadDigest, BlobCorrupt, BlobMissing, Blobs, digest_of

__all__ = ["BadDigest", "BlobCorrupt", "BlobMissing", "Blobs", "FolderBlobs", "digest_of"]
