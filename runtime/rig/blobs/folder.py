"""Blobs as files: ``<folder>/<first two hex digits>/<digest>``, written whole or not at all."""

import os
import tempfile
from hashlib import file_digest
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from rig.blobs.port import BlobCorrupt, BlobMissing, checked, digest_of
from rig.errors import StorageUnavailable


class FolderBlobs:
    """A folder of its own, mode 0700, files 0600; several threads and processes may write to it at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, data: bytes) -> str:
        digest = digest_of(data)
        target = self._path(digest)
        try:
            if self._is_whole(target, digest, len(data)):
                return digest
            target.parent.mkdir(mode=0o700, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=".new-")  # mode 0600
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, target)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            for folder in (target.parent, self._folder):
                _sync_folder(folder)
        except OSError as error:
            raise StorageUnavailable(f"the content could not be stored: {error.strerror}") from error
        return digest

    def get(self, digest: str) -> bytes:
        with self._opened(digest) as file:
            data = file.read()
        if digest_of(data) != digest:
            raise BlobCorrupt(digest=digest)
        return data

    def open(self, digest: str) -> BinaryIO:
        file = self._opened(digest)
        if file_digest(file, "sha256").hexdigest() != digest:
            file.close()
            raise BlobCorrupt(digest=digest)
        file.seek(0)
        return file

    def delete(self, digest: str) -> None:
        self._path(digest).unlink(missing_ok=True)

    def has(self, digest: str) -> bool:
        return self._path(digest).is_file()

    def _path(self, digest: str) -> Path:
        return self._folder / checked(digest)[:2] / digest

    def _opened(self, digest: str) -> BufferedReader:
        try:
            return os.fdopen(os.open(self._path(digest), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
        except FileNotFoundError:
            raise BlobMissing(digest=digest) from None

    def _is_whole(self, target: Path, digest: str, size: int) -> bool:
        """Whether the file is there undamaged; a damaged one is written again."""
        try:
            if target.stat().st_size != size:
                return False
            self.open(digest).close()
        except (FileNotFoundError, BlobMissing, BlobCorrupt):
            return False
        return True


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
