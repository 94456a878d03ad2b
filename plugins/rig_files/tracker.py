"""The tracker ``files``: every Markdown file of a folder, or of a folder in it that is called as a state, is an issue."""

import asyncio
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rig import PollContext, TrackedIssue, TrackerPage, TrackerUnavailable
from rig_files.config import FilesConfig
from rig_files.mapping import identifier, issue
from rig_files.matter import BadFile

LARGEST = 256 * 1024
"""Bytes of a file."""
MOST = 1000
"""Files of a board."""


@dataclass(frozen=True)
class _Read:
    """A file as it was read last."""

    stamp: tuple[int, int, int]
    issue: TrackedIssue | None
    fault: str = ""


class FileBoard:
    """Reads the whole board at each poll; files that have not changed are not opened again."""

    name = "files"

    def __init__(self, config: FilesConfig) -> None:
        self._config = config
        self._folder = Path(config.folder).expanduser()
        self._read: dict[str, _Read] = {}
        self._ids: dict[str, str] = {}
        """Path to the issue that the file was when it could be read."""

    async def poll(self, context: PollContext) -> TrackerPage:
        """Everything there is."""
        found, faults = await asyncio.to_thread(self._board)
        return TrackerPage(tuple(found.values()), complete=True, faults=faults)

    async def fetch(self, ids: Sequence[str]) -> Sequence[TrackedIssue]:
        """These, of everything there is."""
        found, _ = await asyncio.to_thread(self._board)
        return [found[id] for id in ids if id in found]

    def _board(self) -> tuple[dict[str, TrackedIssue], dict[str, str]]:
        places: dict[str, list[str]] = {}
        found: dict[str, TrackedIssue] = {}
        faults: dict[str, str] = {}
        before, self._read = self._read, {}
        for count, (path, entry) in enumerate(self._files()):
            if count == MOST:
                raise TrackerUnavailable(f"the board {self._folder} has more than {MOST} files")
            read = self._read[path] = self._look(path, entry, before.get(path))
            if read.issue is None:
                stem = Path(path).stem
                faults[self._ids.get(path) or identifier(stem, self._config) or path] = f"{path}{read.fault}"
                continue
            self._ids[path] = read.issue.id
            places.setdefault(read.issue.id, []).append(path)
            found[read.issue.id] = read.issue
        for id, paths in places.items():
            if len(paths) > 1:
                faults[id] = f"{' and '.join(sorted(paths))} are both {id}"
                del found[id]
        self._ids = {path: id for path, id in self._ids.items() if path in self._read}
        return {id: one for id, one in found.items() if id not in faults}, faults

    def _files(self) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """(path below the board, entry) of each Markdown file, in order; hidden ones and links are no part of it."""
        try:
            for entry in sorted(os.scandir(self._folder), key=lambda e: e.name):
                if entry.name.startswith(".") or entry.is_symlink():
                    continue
                if entry.is_dir(follow_symlinks=False):
                    for inner in sorted(os.scandir(entry.path), key=lambda e: e.name):
                        if not inner.name.startswith(".") and inner.name.endswith(".md") and not inner.is_symlink():
                            yield f"{entry.name}/{inner.name}", inner
                elif entry.name.endswith(".md") and entry.name.lower() != "readme.md":
                    yield entry.name, entry
        except FileNotFoundError:
            raise TrackerUnavailable(f"the board {self._folder} does not exist") from None
        except OSError as error:
            raise TrackerUnavailable(f"the board {self._folder} can't be read: {error.strerror}") from None

    def _look(self, path: str, entry: os.DirEntry[str], before: _Read | None) -> _Read:
        stamp = (0, 0, 0)
        try:
            seen = entry.stat(follow_symlinks=False)
            stamp = (seen.st_mtime_ns, seen.st_size, seen.st_ino)
            if before is not None and before.stamp == stamp:
                return before
            text = _content(entry.path)
            version = f"{seen.st_mtime_ns // 1_000_000}"
            folder = Path(path).parent.name.replace("-", " ").replace("_", " ")
            return _Read(stamp, issue(Path(path).stem, folder, text, self._config, version))
        except BadFile as bad:
            return _Read(stamp, None, f", line {bad.line}: {bad.why}" if bad.line else f": {bad.why}")
        except OSError as error:
            return _Read((0, 0, 0), None, f": {error.strerror}")


def _content(path: str) -> str:
    """The text of a regular file; no link is followed, and no more is read than a file may have."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BadFile("it is no regular file")
        raw = file.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise BadFile(f"it is longer than {LARGEST // 1024} KiB")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise BadFile("it is not UTF-8", raw.count(b"\n", 0, error.start) + 1) from None
