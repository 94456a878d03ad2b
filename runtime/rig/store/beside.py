"""A process that reads for the daemon, so that lists take no interpreter time from commits and connections."""

import asyncio
import logging
import pickle
import socket
import subprocess
import sys
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

from rig.store.reading import HEAD, Reading, encode

log = logging.getLogger(__name__)

REST = 30.0
"""Seconds from the end of a process that was not told to end until another is started."""
LOOK = 1.0
"""Seconds between two looks at how the process gets on."""
STUCK = 5
"""So many looks in a row that find it at the same reading, after which it is taken to hang."""
AHEAD = 8
"""Readings that it is sent before it has answered: it always has the next, and few are done for askers that have gone meanwhile."""


class Gone(Exception):
    """The process ended, or could not read: the reading is still to be done."""


class Beside:
    """The process that reads the embedded store, once it is wanted. Used on one event loop."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._process: _Process | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether there is one that has started."""
        return self._process is not None and self._process.ready

    def want(self) -> None:
        """Have one started, unless that was done already or one has ended just now."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep())

    async def read(self, reading: Reading) -> Any:
        """What a reading finds, begun after all that were asked for before. Raises Gone."""
        if self._process is None or not self.ready:
            raise Gone
        return await self._process.read(reading)

    def close(self) -> None:
        """End it; blocks for some milliseconds."""
        if self._task is not None:
            self._task.cancel()
        if self._process is not None:
            self._process.close()

    async def _keep(self) -> None:
        try:
            self._process = await _start(self._database)
            await self._process.watch()
            status = await asyncio.to_thread(self._process.end)
            log.warning("the process that reads lists has ended with %s; the daemon reads them itself for a while", status)
        except (OSError, RuntimeError) as error:  # the latter for a thread that cannot be started
            log.warning("no process can be started that reads lists, the daemon reads them itself: %s", error)
        self._process = None
        await asyncio.sleep(REST)
        self._task = None


async def _start(database: Path) -> "_Process":
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            child = subprocess.Popen(  # noqa: ASYNC220  # it returns once the program runs
                [sys.executable, "-P", "-m", "rig.store.child", str(database), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # what a terminal tells the daemon is not for it
            )
        _, process = await asyncio.get_running_loop().create_unix_connection(lambda: _Process(child), sock=ours)
    except BaseException:
        ours.close()  # which ends the child too
        raise
    return process


class _Process(asyncio.Protocol):
    """The daemon's end of one process."""

    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        self.ready = False
        """Whether it has begun to read."""
        self._ended = asyncio.Event()
        self._child = child
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = bytearray()
        self._turns = asyncio.Semaphore(AHEAD)
        self._sent: deque[asyncio.Future[Any]] = deque()

    async def read(self, reading: Reading) -> Any:
        message = encode(reading)
        await self._turns.acquire()  # until it is answered, also when who asked has gone
        if self._transport is None or self._ended.is_set():
            self._turns.release()
            raise Gone
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._transport.write(message)
        self._sent.append(future)
        return await future

    async def watch(self) -> None:
        """Return once it is gone, or hangs: then those who wait are told that it is."""
        first, looks = None, 0
        while looks < STUCK:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._ended.wait()
                return
            looks = looks + 1 if self._sent and self._sent[0] is first else 0
            first = self._sent[0] if self._sent else None
        log.warning("the process that reads lists does not answer")
        self._abort()

    def close(self) -> None:
        self._abort()
        self.end()

    def end(self) -> int:
        """Its exit status; killed if it has none yet, which does no harm to what only reads."""
        self._child.kill()
        return self._child.wait()

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # asyncio's

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        while len(buffer) >= HEAD.size:
            end = HEAD.size + HEAD.unpack_from(buffer)[0]
            if len(buffer) < end:
                return
            with memoryview(buffer)[HEAD.size : end] as body:
                answer = pickle.loads(body)  # of our own process
            del buffer[:end]
            if self.ready:
                self._settle(answer)
            else:
                self.ready = True  # its first message says nothing more

    def connection_lost(self, error: Exception | None) -> None:
        self._ended.set()
        while self._sent:
            self._settle(())

    def _settle(self, answer: tuple[Any, ...]) -> None:
        self._turns.release()
        future = self._sent.popleft()
        if future.done():
            return  # who asked has gone
        if answer:
            future.set_result(answer[0])
        else:
            future.set_exception(Gone())
