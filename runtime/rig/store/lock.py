"""Who owns a data directory: one daemon at a time, held by the kernel, named for people (I28)."""

import fcntl
import os
from pathlib import Path

from rig.errors import DataDirInUse


class DirectoryLock:
    """An exclusive lock on ``<data-dir>/lock``; the kernel frees it when the process dies, however it dies."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "lock"
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._fd, 20, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            raise DataDirInUse(
                f"{directory} is in use by process {holder}; stop it, or give another --data-dir", pid=holder
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        os.close(self._fd)


def holder(directory: Path) -> int | None:
    """The process that holds the directory now, None when nobody does."""
    try:
        fd = os.open(directory / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            text = os.pread(fd, 20, 0).decode(errors="replace").strip()
            return int(text) if text.isdigit() else 0
        return None
    finally:
        os.close(fd)
