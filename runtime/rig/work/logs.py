"""Output of executions: written by one thread for all of them, read and followed by anybody, also across restarts."""

import asyncio
import queue
import re
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from rig.blobs import Blobs
from rig.clock import Clock
from rig.errors import Conflict, NotFound
from rig.text import Redactor
from rig.work.segments import LogLine, Segment, Segments
from rig.work.sink import Sink, Stream
from rig.work.threads import in_thread

CAP_BYTES = 64 << 20
"""What one execution may write unless told otherwise."""
_PENDING = 8
"""Batches of one execution on their way to the disk; beyond that its writer waits."""
_COALESCE = 0.02
"""Seconds that a follower waits for more once there is something new."""
_EXECUTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")


class LogWriter:
    """Writes the output of one execution; made by ``LogStore.open``, used on its loop."""

    def __init__(self, store: "LogStore", execution: str, sink: Sink, sealed: Callable[[Segment], None]) -> None:
        self._store = store
        self._execution = execution
        self._sink = sink
        self._sealed = sealed
        self._loop = asyncio.get_running_loop()
        self._pending = 0
        self._room = asyncio.Event()
        self._closing: asyncio.Future[None] | None = None
        self.followers: set[asyncio.Event] = set()
        self.closed = False

    @property
    def lines(self) -> int:
        """How many lines are on the disk by now."""
        return self._sink.lines

    async def write(self, lines: Sequence[str | bytes], stream: Stream = "stdout") -> None:
        """Append lines; waits while the disk is behind. What comes after ``close`` is dropped."""
        while self._pending >= _PENDING and self._closing is None:
            self._room.clear()
            await self._room.wait()
        if self._closing is None and lines:
            self._pending += 1
            self._store.submit(lambda: self._take(lines, stream))

    async def close(self) -> None:
        """Write what is on its way, seal the last segment and end those who follow. May be called again."""
        if self._closing is None:
            self._closing = self._loop.create_future()
            self._room.set()
            self._store.submit(self._end)
        await asyncio.shield(self._closing)

    def _take(self, lines: Sequence[str | bytes], stream: Stream) -> None:
        sealed = self._sink.take(lines, stream, self._store.now())
        self._tell(lambda: self._taken(sealed))

    def _end(self) -> None:
        sealed = self._sink.end()
        self._tell(lambda: self._ended(sealed))

    def _tell(self, callback: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(callback)

    def _taken(self, sealed: list[Segment]) -> None:
        self._pending -= 1
        self._room.set()
        self._announce(sealed)

    def _ended(self, sealed: list[Segment]) -> None:
        self.closed = True
        self._store.forget(self._execution)
        self._announce(sealed)
        if self._closing is not None and not self._closing.done():
            self._closing.set_result(None)

    def _announce(self, sealed: list[Segment]) -> None:
        for segment in sealed:
            self._sealed(segment)
        for follower in self.followers:
            follower.set()


class LogStore:
    """All output under one folder, ``<folder>/<execution>/``; the thread that writes it starts with the first line."""

    def __init__(self, folder: Path, blobs: Blobs, clock: Clock, *, cap: int = CAP_BYTES) -> None:
        self._folder = folder
        self._blobs = blobs
        self._cap = cap
        self._open: dict[str, LogWriter] = {}
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.now = clock.now

    def open(self, execution: str, redact: Redactor, sealed: Callable[[Segment], None], *, cap: int | None = None) -> LogWriter:
        """Start or go on with the output of ``execution``; ``sealed`` is called on the running loop for each full segment.

        Raises Conflict when it is open already, NotFound for what can be no execution.
        """
        segments = self._segments(execution)
        if execution in self._open:
            raise Conflict("the output of this execution is being written already")
        writer = LogWriter(self, execution, Sink(segments, redact, self._cap if cap is None else cap), sealed)
        self._open[execution] = writer
        return writer

    async def read(self, execution: str, after: int = 0, limit: int = 1000) -> list[LogLine]:
        """At most ``limit`` lines with a number above ``after``; none for an execution that wrote nothing.

        Raises NotFound for what can be no execution, BlobCorrupt or BlobMissing for a damaged segment.
        """
        segments = self._segments(execution)
        return await in_thread(lambda: segments.read(after, limit), "rig-log-read")

    def written(self) -> dict[str, int]:
        """The executions that are being written here, with how many lines each has so far."""
        return {execution: writer.lines for execution, writer in self._open.items()}

    async def follow(self, execution: str, after: int = 0) -> AsyncIterator[list[LogLine]]:
        """Batches of lines above ``after``, old ones at once and new ones as they come, until the execution is closed.

        Of an execution that is not being written here, what there is.
        """
        writer = self._open.get(execution)
        news = asyncio.Event()
        if writer is not None:
            writer.followers.add(news)
        try:
            while True:
                news.clear()
                ended = writer is None or writer.closed
                lines = await self.read(execution, after)
                if lines:
                    yield lines
                    after = lines[-1].n
                elif ended:
                    return
                else:
                    await news.wait()
                    await asyncio.sleep(_COALESCE)
        finally:
            if writer is not None:
                writer.followers.discard(news)

    async def recover(self, execution: str) -> list[Segment]:
        """Seal what a killed daemon left open; every segment of the execution, oldest first, whether told of before or not."""
        segments = self._segments(execution)

        def work() -> list[Segment]:
            sealed = segments.recover()
            last = segments.seal()
            return sealed if last is None else [*sealed, last]

        return await in_thread(work, "rig-log-recover")

    def close(self) -> None:
        """Write what is on its way and end the thread; blocks for as long as the disk takes."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    def submit(self, job: Callable[[], None]) -> None:
        """Run ``job`` on the writing thread, after those before it."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="rig-logs", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def forget(self, execution: str) -> None:
        """Called by a writer that has closed."""
        self._open.pop(execution, None)

    def _segments(self, execution: str) -> Segments:
        if not _EXECUTION.match(execution):
            raise NotFound("there is no such execution")
        return Segments(self._folder / execution, execution, self._blobs)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
