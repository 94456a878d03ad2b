"""Programs that are run to their end, with bounded output and a deadline: git and hooks."""

import asyncio
import errno
import os
import select
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from rig.errors import ProcessError
from rig.work.launch import dispose, found, launch, output_pipes
from rig.work.threads import in_thread


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
    program = found(argv, cwd, env)
    cancelled = threading.Event()

    def work() -> Completed:
        popen = launch([program, *argv[1:]], cwd, env)
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


def _communicate(
    popen: "subprocess.Popen[bytes]", stdin: bytes, deadline: float, limit: int, grace: float, cancelled: threading.Event
) -> Completed:
    """Feed, drain and await a program on this thread, then kill what is left of its group."""
    try:
        if popen.stdin is not None:
            with suppress(BrokenPipeError):
                popen.stdin.write(stdin)
            popen.stdin.close()
        outputs = {pipe.fileno(): _Bounded(limit) for pipe in output_pipes(popen)}
        kept = list(outputs.values())
        timed_out = _drain(popen, outputs, deadline, grace, cancelled)
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(popen.pid, signal.SIGKILL)  # the leader is not reaped yet, so the id is still its own
        dispose(popen)
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
