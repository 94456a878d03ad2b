"""The workspace as the model's tools see it: nothing outside of it is opened, whatever is swapped for a link meanwhile. Blocks.

A path is resolved first, and must then lie inside; it is opened from the workspace's own descriptor, one part after the other,
and none of the parts may be a link by then. A file is replaced, never written into: other names of it keep the old content.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MAX_FILE = 8 << 20
"""Bytes of a file that a tool reads or writes."""
MAX_PATH = 1024
MAX_ENTRIES = 500
"""Names of a folder that are told."""


class ToolError(Exception):
    """What a tool has to say to the model instead of a result."""


class Folder:
    """A workspace. Every method raises ToolError with words for the model."""

    def __init__(self, root: Path) -> None:
        self._root = os.path.realpath(root)

    def parts(self, path: str, *, write: bool = False) -> list[str]:
        """The parts of a path below the workspace, links resolved; empty for the workspace itself."""
        if not path or len(path) > MAX_PATH:
            raise ToolError("path is empty" if not path else "path is too long")
        try:
            os.fsencode(path)
        except UnicodeEncodeError:
            raise ToolError("path holds characters that no file name has") from None
        if "\0" in path:
            raise ToolError("path holds a NUL")
        if path.startswith(("/", "~")):
            raise ToolError(f"{path}: paths are relative to the workspace")
        if ".." in path.split("/"):
            raise ToolError(f"{path}: a path may not hold '..'")
        real = os.path.realpath(os.path.join(self._root, path))
        if real != self._root and not real.startswith(self._root.rstrip("/") + "/"):
            raise ToolError(f"{path}: that is outside of the workspace")
        inside = [] if real == self._root else os.path.relpath(real, self._root).split("/")
        named = [part for part in path.split("/") if part not in ("", ".")]
        if any(part.rstrip(". ").casefold() in (".git", "git~1") for part in (*inside, *named)):
            raise ToolError(f"{path}: what belongs to git is left to git")
        if write and not inside:
            raise ToolError(f"{path}: that is a folder")
        return inside

    def read(self, path: str) -> bytes:
        """The content of a file."""
        parts = self.parts(path)
        with self._opened(path, parts, os.O_RDONLY) as descriptor:
            return _content(path, descriptor)

    def entries(self, path: str) -> list[str] | None:
        """The names in a folder, folders with a slash at their end; None when ``path`` is no folder."""
        parts = self.parts(path)
        with self._parent(path, parts) as (parent, name):
            try:
                folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
            except NotADirectoryError:
                return None
            except OSError as error:
                raise _failed(path, error) from None
        try:
            with os.scandir(folder) as found:
                names = [f"{e.name}/" if e.is_dir(follow_symlinks=False) else e.name for e in found if e.name != ".git"]
        finally:
            os.close(folder)
        return sorted(names)

    def write(self, path: str, content: bytes, *, make: bool = True) -> bool:
        """Replace a file, or make it and, with ``make``, its folders; False when it was there. Its mode stays."""
        if len(content) > MAX_FILE:
            raise ToolError(f"{path}: more than {MAX_FILE >> 20} MiB are not written")
        parts = self.parts(path, write=True)
        with self._parent(path, parts, make=make) as (parent, name):
            try:
                mode = self._mode(path, parent, name)
                _replace(parent, name, content, 0o644 if mode is None else mode)
            except OSError as error:
                raise _failed(path, error) from None
        return mode is None

    @contextmanager
    def _opened(self, path: str, parts: list[str], flags: int) -> Iterator[int]:
        with self._parent(path, parts) as (parent, name):
            try:  # without O_NONBLOCK a pipe would keep us waiting for its other end
                descriptor = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
            except OSError as error:
                raise _failed(path, error) from None
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _parent(self, path: str, parts: list[str], *, make: bool = False) -> Iterator[tuple[int, str]]:
        """The descriptor of the folder that a file is in, and its name there."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(self._root, flags)
        except OSError as error:
            raise _failed(path, error) from None
        try:
            for part in parts[:-1]:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o755, dir_fd=descriptor)
                below = os.open(part, flags, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
        except OSError as error:
            os.close(descriptor)
            raise _failed(path, error) from None
        try:
            yield descriptor, parts[-1] if parts else "."
        finally:
            os.close(descriptor)

    @staticmethod
    def _mode(path: str, parent: int, name: str) -> int | None:
        """The mode of a file that is to be replaced, None when there is none."""
        try:
            found = os.lstat(name, dir_fd=parent)
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(found.st_mode):
            raise ToolError(f"{path}: that is no ordinary file")
        return stat.S_IMODE(found.st_mode) & 0o777


def _content(path: str, descriptor: int) -> bytes:
    status = os.fstat(descriptor)
    if stat.S_ISDIR(status.st_mode):
        raise ToolError(f"{path}: that is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise ToolError(f"{path}: that is no ordinary file")
    chunks, room = [], MAX_FILE + 1
    try:
        while room and (chunk := os.read(descriptor, room)):
            chunks.append(chunk)
            room -= len(chunk)
    except OSError as error:
        raise _failed(path, error) from None
    if not room:  # its size may have changed, or never have been true
        raise ToolError(f"{path}: the file is larger than {MAX_FILE >> 20} MiB; use search")
    return b"".join(chunks)


def _replace(parent: int, name: str, content: bytes, mode: int) -> None:
    temporary = f".{secrets.token_hex(8)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600, dir_fd=parent)
    try:
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)
        os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=parent)
        raise


def _failed(path: str, error: OSError) -> ToolError:
    why = "it became a link meanwhile" if error.errno == errno.ELOOP else (error.strerror or type(error).__name__).lower()
    return ToolError(f"{path}: {why}")
