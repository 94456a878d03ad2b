"""The head file: the log's last hash kept outside the database, so that a shortened database is noticed (I6)."""

import os
import struct
import zlib
from pathlib import Path

import msgspec

_FORMAT = struct.Struct("<8s16sQ32sI")
_MAGIC = b"RIGHEAD1"
_SLOT = 128


class Head(msgspec.Struct, frozen=True):
    """What the log's end was when the slot was written."""

    store_id: bytes
    position: int
    hash: bytes


class HeadFile:
    """Two alternating slots, each with a checksum, so that a torn write leaves the other one.

    Written before every ack and synced each second: after a power loss it may be behind the database, never ahead of it by
    more than was acknowledged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        existed = path.exists()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not existed:
            os.pwrite(self._fd, bytes(2 * _SLOT), 0)
            os.fsync(self._fd)
        self._next = 0
        self.dirty = False
        newest = read_head(path)
        if newest is not None and newest == _slot(self._fd, 0):
            self._next = 1

    def write(self, head: Head) -> None:
        """Write the older slot. Raises OSError."""
        packed = _FORMAT.pack(_MAGIC, head.store_id, head.position, head.hash, 0)[:-4]
        os.pwrite(self._fd, packed + struct.pack("<I", zlib.crc32(packed)), self._next * _SLOT)
        self._next ^= 1
        self.dirty = True

    def sync(self) -> None:
        """fdatasync what was written. Raises OSError."""
        if self.dirty:
            os.fdatasync(self._fd)
            self.dirty = False

    def close(self) -> None:
        os.close(self._fd)


def _slot(fd: int, index: int) -> Head | None:
    raw = os.pread(fd, _FORMAT.size, index * _SLOT)
    if len(raw) < _FORMAT.size:
        return None
    magic, store_id, position, hash_, crc = _FORMAT.unpack(raw)
    if magic != _MAGIC or zlib.crc32(raw[:-4]) != crc:
        return None
    return Head(store_id, position, hash_)


def read_head(path: Path) -> Head | None:
    """The newest whole slot of a head file, None when there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        found = [h for h in (_slot(fd, 0), _slot(fd, 1)) if h is not None]
    finally:
        os.close(fd)
    return max(found, key=lambda h: h.position, default=None)
