"""Asks a program a short question now and then, such as whether somebody is logged in. Public, for authors of plugins.

The program gets an empty home, a bare environment and no input, and is ended with everything that it started.
"""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from rig.errors import ProcessError

T = TypeVar("T")

AGE = 120.0
"""Seconds for which an answer is remembered."""
PATIENCE = 1.5
"""Seconds that are waited for an answer; the program goes on beside that."""
LONGEST = 20.0
"""Seconds after which the program is ended."""
MAX_OUTPUT = 64 * 1024
MAX_LINE = 4 << 20
"""Bytes of a line that ``converse`` reads."""

INHERITED = ("PATH", "LANG", "LC_ALL", "SSL_CERT_FILE")
"""What the program gets of Rig's own environment."""


@dataclass(frozen=True)
class Said:
    """How a program ended."""

    status: int
    """Its exit status, negative for a signal."""
    text: str
    """What it wrote to stdout; untrusted."""


class Probe:
    """One question, asked anew when its answer is old or the question has changed."""

    def __init__(self) -> None:
        self._asked: tuple[tuple[str, ...], tuple[tuple[str, str], ...]] = ((), ())
        self._began = 0.0
        self._task: asyncio.Task[Said] | None = None

    async def ask(self, argv: Sequence[str], env: Mapping[str, str]) -> Said | None:
        """What the program says, None while it has not said anything in time: ask again. ``env`` is all that it gets besides PATH.

        Raises OSError where it can't be started, and TimeoutError where it did not end.
        """
        loop = asyncio.get_running_loop()
        question = (tuple(argv), tuple(sorted(env.items())))
        old = self._task is None or self._task.done() and loop.time() - self._began > AGE
        if old or question != self._asked:
            if self._task is not None and not self._task.done():
                self._task.cancel()
            self._asked, self._began = question, loop.time()
            self._task = loop.create_task(_said(argv, env))
            self._task.add_done_callback(_retrieve)
        task = self._task
        assert task is not None
        await asyncio.wait({task}, timeout=PATIENCE)
        return task.result() if task.done() else None


async def converse(
    argv: Sequence[str], env: Mapping[str, str], said: bytes, heard: Callable[[bytes], T | None], *, longest: float = LONGEST
) -> T:
    """Write ``said`` to a program; the first thing but None that ``heard`` makes of a line of its output. Then it is ended.

    Raises ProcessError where it can't be started, ends before, or says nothing of the kind within ``longest`` seconds.
    """
    name = os.path.basename(argv[0])
    try:
        async with _started(argv, env, asyncio.subprocess.PIPE) as process, asyncio.timeout(longest):
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(ConnectionError):  # what it wrote before it ended is read all the same
                process.stdin.write(said)
                await process.stdin.drain()
            while line := await process.stdout.readline():
                if (found := heard(line)) is not None:
                    return found
    except TimeoutError:
        raise ProcessError(f"{name} did not answer within {longest:g} s") from None
    except (OSError, ValueError) as error:  # a line that is too long is a ValueError
        raise ProcessError(f"{name} can't be asked: {getattr(error, 'strerror', None) or error}") from None
    raise ProcessError(f"{name} ended before it answered")


@asynccontextmanager
async def _started(argv: Sequence[str], env: Mapping[str, str], stdin: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program in an empty home, ended with everything that it started."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    with tempfile.TemporaryDirectory(prefix="rig-probe-", ignore_cleanup_errors=True) as home:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**inherited, **env, "HOME": home},
            cwd=home,
            start_new_session=True,
            limit=MAX_LINE,
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if process.stdin is not None:
                process.stdin.close()
            await process.wait()


async def _said(argv: Sequence[str], env: Mapping[str, str]) -> Said:
    async with _started(argv, env, asyncio.subprocess.DEVNULL) as process, asyncio.timeout(LONGEST):
        assert process.stdout is not None
        text = b""
        while chunk := await process.stdout.read(MAX_OUTPUT):
            text += chunk[: MAX_OUTPUT - len(text)]
        return Said(await process.wait(), text.decode(errors="replace"))


def _retrieve(task: "asyncio.Task[Said]") -> None:
    if not task.cancelled():
        task.exception()
