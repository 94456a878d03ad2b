"""Asks a program a short question now and then, such as whether somebody is logged in. Public, for authors of health checkers.

The program gets an empty home, a bare environment and no input, and is ended with everything that it started.
"""

import asyncio
import os
import signal
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

AGE = 120.0
"""Seconds for which an answer is remembered."""
PATIENCE = 1.5
"""Seconds that are waited for an answer; the program goes on beside that."""
LONGEST = 20.0
"""Seconds after which the program is ended."""
MAX_OUTPUT = 64 * 1024

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


async def _said(argv: Sequence[str], env: Mapping[str, str]) -> Said:
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    with tempfile.TemporaryDirectory(prefix="rig-probe-", ignore_cleanup_errors=True) as home:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**inherited, **env, "HOME": home},
            cwd=home,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(LONGEST):
                assert process.stdout is not None
                text = b""
                while chunk := await process.stdout.read(MAX_OUTPUT):
                    text += chunk[: MAX_OUTPUT - len(text)]
                return Said(await process.wait(), text.decode(errors="replace"))
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def _retrieve(task: "asyncio.Task[Said]") -> None:
    if not task.cancelled():
        task.exception()
