"""Programs that Rig runs: each in a session and group of its own, ended as a whole, and never waited for on the loop."""

import asyncio
import errno
import os
import select
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import IO

from rig.errors import ProcessError
from rig.work.environment import Limits, shown
from rig.work.group import end, members, start_time
from rig.work.pump import Pump
from rig.work.threads import in_thread

LINGER_SECONDS = 0.5
"""How long the output of a program that has ended stays open for what it left running in the background."""


class Child:
    """A running program; implements ``rig.plugin.provider.Child``. Made by ``spawn``."""

    def __init__(
        self, popen: "subprocess.Popen[bytes]", marker: str | None = None, heard: Callable[[], None] | None = None
    ) -> None:
        stdout, stderr = _outputs(popen)
        self.pid = popen.pid
        """Also the id of its process group and session."""
        self.started = start_time(popen.pid)
        self._popen = popen
        self._marker = marker
        self._heard = heard
        self._stdout = Pump(stdout, f"rig-out-{self.pid}")
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
        empty = await end(lambda: members(self.pid, self._marker), grace)
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
) -> Child:
    """Start ``argv`` in ``cwd`` with exactly ``env``, stdin, stdout and stderr as pipes.

    Raises ProcessError when there is no such program or it can't be started. ``marker`` is the execution's id; ``heard`` is
    called for every batch of output that is taken.
    """
    program = _found(argv, cwd, env)
    starting = in_thread(lambda: _popen((limits or Limits()).wrap([program, *argv[1:]]), cwd, env), "rig-spawn")
    try:
        popen = await asyncio.shield(starting)
    except asyncio.CancelledError:
        starting.add_done_callback(_end_unwanted)
        raise
    return Child(popen, marker, heard)


@dataclass(frozen=True)
class Completed:
    """How a program that ran to its end, or into its deadline, ended."""

    code: int
    """Exit status, negative for a signal."""
    stdout: bytes
    stderr: bytes
    """Each at most ``limit`` bytes long; what came after was read and dropped."""
    timed_out: bool = False
    dropped: int = 0
    """Bytes of output dropped beyond the limit."""

    @property
    def last_line(self) -> str:
        """The last line that the program wrote to stderr, else to stdout."""
        for output in (self.stderr, self.stdout):
            if lines := output.decode(errors="replace").strip().splitlines():
                return lines[-1].strip()
        return ""


async def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: bytes = b"",
    seconds: float,
    limit: int = 1 << 20,
    grace: float = 0.5,
) -> Completed:
    """Run ``argv`` to its end, at most ``seconds``; its whole group is gone when this returns, also when cancelled.

    ``stdin`` must fit a pipe (64 KiB). Raises ProcessError when the program can't be started.
    """
    if len(stdin) > 65536:
        raise ProcessError("the input is too large")
    program = _found(argv, cwd, env)
    cancelled = threading.Event()

    def work() -> Completed:
        popen = _popen([program, *argv[1:]], cwd, env)
        return _communicate(popen, stdin, monotonic() + seconds, limit, grace, cancelled)

    working = in_thread(work, f"rig-run-{Path(program).name}")
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        cancelled.set()
        await asyncio.wait([working])
        if not working.cancelled():
            working.exception()  # it was cancelled: whatever came of it is of no interest
        raise


def _found(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> str:
    if any("\0" in argument for argument in argv):
        raise ProcessError("an argument holds a NUL")
    if not cwd.is_dir():
        raise ProcessError(f"the folder of the program is gone: {cwd.name}")
    if "/" in argv[0]:
        return argv[0]
    program = shutil.which(argv[0], path=env.get("PATH", os.defpath))
    if program is None:
        raise ProcessError(f"{argv[0]}: there is no such program on PATH")
    return program


def _popen(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(
            argv, cwd=cwd, env=dict(env), stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, start_new_session=True
        )
    except OSError as error:
        raise ProcessError(f"{shown(argv)} could not be started: {error.strerror}") from error


def _outputs(popen: "subprocess.Popen[bytes]") -> tuple[IO[bytes], IO[bytes]]:
    if popen.stdout is None or popen.stderr is None:
        raise ProcessError("the program was started without pipes")
    return popen.stdout, popen.stderr


def _end_unwanted(starting: "asyncio.Future[subprocess.Popen[bytes]]") -> None:
    if starting.cancelled() or starting.exception() is not None:
        return
    popen = starting.result()
    os.killpg(popen.pid, signal.SIGKILL)  # not reaped yet, so the id is still its own
    threading.Thread(target=_dispose, args=(popen,), daemon=True).start()


def _dispose(popen: "subprocess.Popen[bytes]") -> None:
    for file in (popen.stdin, popen.stdout, popen.stderr):
        if file is not None:
            file.close()
    popen.wait()


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


def _communicate(
    popen: "subprocess.Popen[bytes]", stdin: bytes, deadline: float, limit: int, grace: float, cancelled: threading.Event
) -> Completed:
    """Feed, drain and await a program on this thread, then kill what is left of its group."""
    try:
        if popen.stdin is not None:
            with suppress(BrokenPipeError):
                popen.stdin.write(stdin)
            popen.stdin.close()
        outputs = {pipe.fileno(): _Bounded(limit) for pipe in _outputs(popen)}
        kept = list(outputs.values())
        timed_out = _drain(popen, outputs, deadline, grace, cancelled)
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(popen.pid, signal.SIGKILL)  # the leader is not reaped yet, so the id is still its own
        _dispose(popen)
    return Completed(popen.returncode, kept[0].text, kept[1].text, timed_out, kept[0].dropped + kept[1].dropped)


class _Bounded:
    def __init__(self, limit: int) -> None:
        self._chunks: deque[bytes] = deque()
        self._room = limit
        self.dropped = 0

    def add(self, chunk: bytes) -> None:
        kept = chunk[: self._room]
        self._room -= len(kept)
        self.dropped += len(chunk) - len(kept)
        if kept:
            self._chunks.append(kept)

    @property
    def text(self) -> bytes:
        return b"".join(self._chunks)


def _drain(
    popen: "subprocess.Popen[bytes]", outputs: dict[int, _Bounded], deadline: float, grace: float, cancelled: threading.Event
) -> bool:
    """Read until both outputs end, or the leader has ended and its output stays silent; True when the deadline passed."""
    poll = select.poll()
    for descriptor in outputs:
        poll.register(descriptor, select.POLLIN)
    timed_out = False
    while outputs or not _leader_ended(popen):
        now = monotonic()
        if cancelled.is_set() or now >= deadline:
            if timed_out or cancelled.is_set():
                return timed_out
            timed_out, deadline = True, now + grace
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(popen.pid, signal.SIGTERM)
        ready = poll.poll(50 if outputs else 10)
        for descriptor, _ in ready:
            chunk = _read(descriptor)
            if chunk:
                outputs[descriptor].add(chunk)
            else:
                poll.unregister(descriptor)
                del outputs[descriptor]
        if not ready and outputs and _leader_ended(popen):
            return timed_out  # something that it left behind holds the pipe
    return timed_out


def _leader_ended(popen: "subprocess.Popen[bytes]") -> bool:
    if not hasattr(os, "waitid"):
        return popen.poll() is not None
    return os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError as error:
        if error.errno in (errno.EIO, errno.EBADF):
            return b""
        raise
