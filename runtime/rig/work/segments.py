"""Output of one execution on disk: numbered lines in append-only segments, each sealed into a blob when full.

``<first line>.log`` is the open segment; ``<first line>.seg`` says which blob a sealed one became.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from rig.blobs import Blobs

SEGMENT_BYTES = 1 << 20


class LogLine(msgspec.Struct, frozen=True, gc=False):
    """One line of output."""

    n: int
    """Number within the execution, from 1, without a gap."""
    at: int
    stream: str
    """``stdout``, ``stderr``, ``agent`` or ``system``."""
    text: str

    @property
    def line(self) -> int:
        return self.n


class Segment(msgspec.Struct, frozen=True):
    """A sealed segment: NDJSON of its lines, in the blob store."""

    execution: str
    first: int
    lines: int
    bytes: int
    digest: str


_encoder = msgspec.json.Encoder()
_line = msgspec.json.Decoder(LogLine)
_segment = msgspec.json.Decoder(Segment)


class Segments:
    """The segments of one execution. Blocks on the disk; one writer at a time, readers whenever they like."""

    def __init__(self, folder: Path, execution: str, blobs: Blobs) -> None:
        self._folder = folder
        self._execution = execution
        self._blobs = blobs
        self._file: int | None = None
        self._size = 0
        self._first = 1
        self.next = 1
        """Number of the next line; right once ``recover`` or ``append`` ran."""

    def recover(self) -> list[Segment]:
        """Find the end of what was written before, drop a torn last line; the segments that are sealed, oldest first."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sealed, open_ = self._survey()
        for first in sorted(open_):
            path = self._path(first)
            data = path.read_bytes()
            whole = data[: data.rfind(b"\n") + 1]
            if len(whole) != len(data):
                os.truncate(path, len(whole))
            self._first, self.next = first, first + whole.count(b"\n")
            self._size = len(whole)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            break
        else:
            if sealed:
                self.next = self._first = sealed[-1].first + sealed[-1].lines
        return sealed

    def append(self, lines: Iterable[LogLine]) -> list[Segment]:
        """Append lines numbered from ``next`` on; the segments that became full. Raises OSError and then nothing is torn."""
        sealed: list[Segment] = []
        buffer = bytearray()
        count = 0
        for line in lines:
            buffer += _encoder.encode(line)
            buffer += b"\n"
            count += 1
            if self._size + len(buffer) >= SEGMENT_BYTES:
                self._write(buffer, count)
                buffer, count = bytearray(), 0
                if (segment := self.seal()) is not None:
                    sealed.append(segment)
        if buffer:
            self._write(buffer, count)
        return sealed

    def seal(self) -> Segment | None:
        """Seal the open segment; None when it has no line."""
        if self._file is None:
            return None
        os.close(self._file)
        self._file = None
        path = self._path(self._first)
        segment = None
        if self._size:
            data = path.read_bytes()
            digest = self._blobs.put(data)
            segment = Segment(self._execution, self._first, self.next - self._first, len(data), digest)
            fresh = path.with_suffix(".new")
            fresh.write_bytes(_encoder.encode(segment))
            os.replace(fresh, path.with_suffix(".seg"))
        path.unlink()
        self._size, self._first = 0, self.next
        return segment

    def read(self, after: int, limit: int) -> list[LogLine]:
        """At most ``limit`` lines with a number above ``after``."""
        if not self._folder.is_dir():
            return []
        lines: list[LogLine] = []
        for _ in range(3):  # a segment may be sealed between looking and reading
            with suppress(FileNotFoundError):
                self._collect(lines, after, limit)
                return lines
            lines.clear()
        return lines

    def _collect(self, lines: list[LogLine], after: int, limit: int) -> None:
        sealed, open_ = self._survey()
        for segment in sealed:
            if segment.first + segment.lines > after + 1 and len(lines) < limit:
                _take(lines, self._blobs.get(segment.digest), segment.first, after, limit)
        for first in sorted(open_):
            if len(lines) < limit:
                _take(lines, self._path(first).read_bytes(), first, after, limit)

    def _survey(self) -> tuple[list[Segment], set[int]]:
        names = sorted(os.listdir(self._folder))
        open_ = {int(name[:-4]) for name in names if name.endswith(".log")}
        sealed = [_segment.decode((self._folder / name).read_bytes()) for name in names if name.endswith(".seg")]
        for done in open_ & {segment.first for segment in sealed}:  # sealed, but its file was not deleted yet
            open_.discard(done)
        return sealed, open_

    def _path(self, first: int) -> Path:
        return self._folder / f"{first:010}.log"

    def _write(self, data: bytes | bytearray, count: int) -> None:
        if self._file is None:
            self._first = self.next
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC | os.O_CLOEXEC
            self._file = os.open(self._path(self._first), flags, 0o600)
        try:
            written = 0
            while written < len(data):
                written += os.write(self._file, memoryview(data)[written:])
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)
        self.next += count


def _take(lines: list[LogLine], data: bytes, first: int, after: int, limit: int) -> None:
    skip = max(0, after + 1 - first)
    wanted: Sequence[bytes] = data.split(b"\n", skip + limit)[skip : skip + limit - len(lines)]
    complete = data.count(b"\n") if len(wanted) and not data.endswith(b"\n") else None
    for index, line in enumerate(wanted):
        if not line or complete is not None and skip + index >= complete:
            return  # the end, or a line that is being written
        lines.append(_line.decode(line))
