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
ENDS_WITHIN = 5.0
"""Seconds after which a process that was told to end is killed."""


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
        """End it; blocking, for some milliseconds where nothing is wrong."""
        if self._task is not None:
            self._task.cancel()
        if self._process is not None:
            self._process.close()

    async def _keep(self) -> None:
        try:
            self._process = await _start(self._database)
            await self._process.ended.wait()
            status = await asyncio.to_thread(self._process.wait)
            log.warning("the process that reads lists has ended with %s; the daemon reads them itself for a while", status)
        except OSError as error:
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
        _, process = await asyncio.get_running_loop().create_unix_connection(lambda: _Process(child, ours), sock=ours)
    except BaseException:
        ours.close()  # which ends the child too
        raise
    return process


class _Process(asyncio.Protocol):
    """The daemon's end of one process."""

    def __init__(self, child: "subprocess.Popen[bytes]", channel: socket.socket) -> None:
        self.ready = False
        """Whether it has begun to read."""
        self.ended = asyncio.Event()
        self._child = child
        self._channel = channel
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = bytearray()
        self._waiting: deque[asyncio.Future[Any]] = deque()

    async def read(self, reading: Reading) -> Any:
        if self._transport is None or self.ended.is_set():
            raise Gone
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._transport.write(encode(reading))
        self._waiting.append(future)
        return await future

    def close(self) -> None:
        with suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)  # at once, where a transport waits for its loop
        if self._transport is not None:
            self._transport.close()
        self.wait()

    def wait(self) -> int:
        """Its exit status, once it has no more to do; it is killed if it does not see that."""
        try:
            return self._child.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()

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
                _settle(self._waiting.popleft(), answer)
            else:
                self.ready = True  # its first message says nothing more

    def connection_lost(self, error: Exception | None) -> None:
        self.ended.set()
        for future in self._waiting:
            _settle(future, ())
        self._waiting.clear()


def _settle(future: "asyncio.Future[Any]", answer: tuple[Any, ...]) -> None:
    if future.done():
        return  # who asked has gone
    if answer:
        future.set_result(answer[0])
    else:
        future.set_exception(Gone())
