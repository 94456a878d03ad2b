"""The log pump: reads a program's pipe on a thread and hands lines to the loop, no faster than the loop takes them."""

import asyncio
import os
import select
import threading
from collections.abc import AsyncIterator
from typing import IO

from rig.plugin.provider import MAX_LINE

BATCH = 256
"""Lines in a batch, so that no batch keeps the loop busy for long."""
BATCHES = 16
"""Batches on their way; beyond that the pipe fills up and holds the program back."""


class LineSplitter:
    """Cuts a stream of bytes into lines; an over-long line is cut at ``limit`` bytes and ends in a marker."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._rest = b""
        self._dropped = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that ``chunk`` completes, without their line ends."""
        first, *others = chunk.split(b"\n")
        if not others:
            self._keep(first)
            return []
        self._keep(first)
        lines = [self.rest(), *(self._cut(line) for line in others[:-1])]
        self._keep(others[-1])
        return lines

    def rest(self) -> bytes:
        """The unfinished line so far, which is then forgotten; empty when there is none."""
        line, self._rest, dropped, self._dropped = self._rest, b"", self._dropped, 0
        return line + _marker(dropped) if dropped else line.removesuffix(b"\r")

    @property
    def unfinished(self) -> bool:
        return bool(self._rest)

    def _keep(self, part: bytes) -> None:
        room = self._limit - len(self._rest)
        self._rest += part[:room]
        self._dropped += max(0, len(part) - room)

    def _cut(self, line: bytes) -> bytes:
        limit = self._limit
        return line.removesuffix(b"\r") if len(line) <= limit else line[:limit] + _marker(len(line) - limit)


def _marker(dropped: int) -> bytes:
    return f" [line cut: {dropped} bytes more]".encode()


class Pump:
    """One pipe and its thread; to be made on the loop that takes the batches."""

    def __init__(self, pipe: IO[bytes], name: str, line_bytes: int = MAX_LINE) -> None:
        self._pipe = pipe
        self._line_bytes = line_bytes
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[list[bytes] | None] = asyncio.Queue()
        self._room = threading.Semaphore(BATCHES)
        self._finishing = threading.Event()
        self._stopped = threading.Event()
        self._ended = False
        threading.Thread(target=self._read, name=name, daemon=True).start()

    async def batches(self) -> AsyncIterator[list[bytes]]:
        """Batches of lines until the end of the pipe; several readers would share them."""
        while not self._ended:
            batch = await self._queue.get()
            if batch is None:
                self._ended = True
                self._queue.put_nowait(None)  # another reader may wait
                return
            self._room.release()
            yield batch
            await asyncio.sleep(0)  # a full queue never makes ``get`` wait, and the loop has others to serve

    def finish(self) -> None:
        """Let go of the pipe as soon as nothing is in it, although somebody may still hold its other end."""
        self._finishing.set()

    def stop(self) -> None:
        """``finish``, and drop what nobody takes within a moment."""
        self._finishing.set()
        self._stopped.set()

    def _read(self) -> None:
        splitter = LineSplitter(self._line_bytes)
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        afterwards = 16  # chunks still taken once finishing: what escaped may write for ever
        try:
            while afterwards and self._readable(poll):
                afterwards -= self._finishing.is_set()
                chunk = os.read(self._pipe.fileno(), 65536)
                if not chunk:
                    break
                lines = splitter.feed(chunk)
                for start in range(0, len(lines), BATCH):
                    if not self._hand_over(lines[start : start + BATCH]):
                        return
            if splitter.unfinished:
                self._hand_over([splitter.rest()])
        finally:
            self._pipe.close()
            self._send(None)

    def _readable(self, poll: select.poll) -> bool:
        """Wait for data or the end of the pipe; False once finishing and nothing more is there."""
        while not poll.poll(0 if self._finishing.is_set() else 250):
            if self._finishing.is_set():
                return False
        return True

    def _hand_over(self, batch: list[bytes]) -> bool:
        while not self._room.acquire(timeout=0.25):
            if self._stopped.is_set():
                return False
        return self._send(batch)

    def _send(self, batch: list[bytes] | None) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, batch)
        except RuntimeError:  # the loop is closed
            return False
        return True
