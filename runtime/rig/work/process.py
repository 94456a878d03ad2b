"""Programs that Rig runs: each in a session and group of its own, ended as a whole, and never waited for on the loop."""

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from rig.errors import ProcessError
from rig.plugin.provider import MAX_LINE
from rig.work.environment import Limits
from rig.work.group import end, members, start_time
from rig.work.launch import dispose, found, launch, output_pipes
from rig.work.pump import Pump
from rig.work.threads import in_thread

LINGER_SECONDS = 0.5
"""How long the output of a program that has ended stays open for what it left running in the background."""


class Child:
    """A running program; implements ``rig.plugin.provider.Child``. Made by ``spawn``."""

    def __init__(
        self,
        popen: "subprocess.Popen[bytes]",
        marker: str | None = None,
        heard: Callable[[], None] | None = None,
        line_bytes: int = MAX_LINE,
    ) -> None:
        stdout, stderr = output_pipes(popen)
        self.pid = popen.pid
        """Also the id of its process group and session."""
        self.started = start_time(popen.pid)
        self._popen = popen
        self._marker = marker
        self._heard = heard
        self._over = False
        self._stdout = Pump(stdout, f"rig-out-{self.pid}", line_bytes)
        self._stderr = Pump(stderr, f"rig-err-{self.pid}")
        self._writing = asyncio.Lock()
        self._feeding: asyncio.Task[None] | None = None
        self._exit = in_thread(lambda: _wait_without_reaping(popen), f"rig-wait-{self.pid}")
        self._exit.add_done_callback(lambda _: asyncio.get_running_loop().call_later(LINGER_SECONDS, self._finish))

    def lines(self) -> AsyncIterator[list[bytes]]:
        """Batches of stdout lines without their newline; a reader that is slow holds the program back."""
        return self._batches(self._stdout)

    def errors(self) -> AsyncIterator[list[bytes]]:
        """Batches of stderr lines, like ``lines``."""
        return self._batches(self._stderr)

    async def _batches(self, pump: Pump) -> AsyncIterator[list[bytes]]:
        async for batch in pump.batches():
            if self._heard is not None:
                self._heard()
            yield batch

    async def write(self, data: bytes) -> None:
        """Write to stdin, waiting while the pipe is full; raises ProcessError when the program does not read any more."""
        async with self._writing:
            file = self._popen.stdin
            if file is None or file.closed:
                raise ProcessError("the program's input is closed")
            try:
                await in_thread(lambda: _write_all(file.fileno(), data), f"rig-in-{self.pid}")
            except (OSError, ValueError):
                raise ProcessError("the program does not read its input any more") from None

    async def close_stdin(self) -> None:
        async with self._writing:
            if self._popen.stdin is not None:
                with suppress(OSError):
                    self._popen.stdin.close()

    def _finish(self) -> None:
        self._stdout.finish()
        self._stderr.finish()

    def feed(self, data: bytes, close: bool) -> None:
        """Write ``data`` to stdin in the background, then close it if asked; a program that does not read it loses nothing."""

        async def feeding() -> None:
            with suppress(ProcessError):
                if data:
                    await self.write(data)
            if close:
                await self.close_stdin()

        self._feeding = asyncio.create_task(feeding())

    async def wait(self) -> int:
        return await asyncio.shield(self._exit)

    @property
    def ended(self) -> bool:
        """Whether the program itself is gone; its group may live on."""
        return self._exit.done()

    async def end(self, grace: float = 5.0) -> bool:
        """End the whole group: TERM, after ``grace`` seconds KILL; True when it is proven empty.

        The leader stays a zombie until the group is empty, so that its id can't be given to another group meanwhile.
        """
        if self._over:
            return True
        pinned = self.pid if hasattr(os, "waitid") else None
        self._over = empty = await end(lambda: members(self.pid, self._marker), grace, pinned)
        if empty:
            await self.wait()
            self._popen.wait()
        self._stdout.stop()
        self._stderr.stop()
        if self._feeding is not None:
            self._feeding.cancel()
            await asyncio.wait([self._feeding])
        if self._popen.stdin is not None:
            with suppress(OSError):
                self._popen.stdin.close()
        return empty


async def spawn(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    limits: Limits | None = None,
    marker: str | None = None,
    heard: Callable[[], None] | None = None,
    line_bytes: int = MAX_LINE,
) -> Child:
    """Start ``argv`` in ``cwd`` with exactly ``env``, stdin, stdout and stderr as pipes.

    Raises ProcessError when there is no such program or it can't be started. ``marker`` is the execution's id; ``heard`` is
    called for every batch of output that is taken; lines of stdout longer than ``line_bytes`` come cut.
    """
    program = found(argv, cwd, env)
    starting = in_thread(lambda: launch((limits or Limits()).wrap([program, *argv[1:]]), cwd, env), "rig-spawn")
    try:
        popen = await asyncio.shield(starting)
    except asyncio.CancelledError:
        starting.add_done_callback(_end_unwanted)
        raise
    return Child(popen, marker, heard, line_bytes)


def _end_unwanted(starting: "asyncio.Future[subprocess.Popen[bytes]]") -> None:
    if starting.cancelled() or starting.exception() is not None:
        return
    popen = starting.result()
    os.killpg(popen.pid, signal.SIGKILL)  # not reaped yet, so the id is still its own
    threading.Thread(target=dispose, args=(popen,), daemon=True).start()


def _wait_without_reaping(popen: "subprocess.Popen[bytes]") -> int:
    """Wait for the leader's end but leave it a zombie: its id stays taken until the group is gone."""
    if not hasattr(os, "waitid"):
        return popen.wait()
    while True:
        try:
            status = os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            return popen.wait()
        if status is not None:
            return status.si_status if status.si_code == os.CLD_EXITED else -status.si_status


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view[:65536]) :]
