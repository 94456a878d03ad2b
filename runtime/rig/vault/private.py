"""Small files that only their owner may read: made once and whole, never overwritten (mode 0600)."""

import os
import stat
import tempfile
from pathlib import Path

from rig.errors import ConfigError

_LARGEST = 1 << 20


def read_private(path: Path) -> bytes | None:
    """The bytes of a file of ours that nobody else may read, None when there is none; ConfigError says what is wrong with it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{path}: is not a regular file")
        if status.st_uid not in (os.geteuid(), 0):
            raise ConfigError(f"{path}: belongs to another user")
        if status.st_mode & 0o077:
            raise ConfigError(f"{path}: others may read it; run: chmod 600 {path}")
        with os.fdopen(fd, "rb", closefd=False) as file:
            return file.read(_LARGEST)
    finally:
        os.close(fd)


def create_private(path: Path, content: bytes) -> bool:
    """Put the file there whole and durable, unless there is one already: then False, and that one stays as it is."""
    draft = _draft(path, content)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(draft)
        _sync_folder(path.parent)
    return True


def replace_private(path: Path, content: bytes) -> None:
    """Put the file there in place of the old one: whoever reads gets either, whole."""
    draft = _draft(path, content)
    try:
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
    _sync_folder(path.parent)


def _draft(path: Path, content: bytes) -> str:
    fd, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mkstemp gives mode 0600
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        os.unlink(draft)
        raise
    return draft


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
