"""Runs the suites of ``rig.testing`` over a plugin in a process of its own, and goes on whatever the plugin does to that.

What the process says on a pipe is in ``rig.testing.__main__``. When it dies or falls silent, the check that it was at has failed,
and another process goes on with the next one.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from rig.cli.output import Row
from rig.cli.root import COMMANDS
from rig.errors import BadRequest, ConfigError, NotFound, PluginError, RigError
from rig.text import one_line

SECONDS = 60.0
"""How long one check may take."""
LONGEST = 1_000_000
"""Bytes of a line; more is not what the suites say, but what the plugin does on their pipe."""

REFUSALS: dict[int, type[RigError]] = {kind.exit_code: kind for kind in (BadRequest, NotFound, ConfigError)}


@dataclass
class Conformance:
    """One run over one plugin."""

    target: str
    """An installed plugin's name, a file, or a project's folder."""
    config: str = ""
    """Path of a TOML file with ``[plugins.<name>]`` and ``[providers.<name>]``; empty for none."""
    seconds: float = SECONDS
    plugin: str = ""
    """The plugin's name, once it is known."""
    _plan: list[tuple[str, str]] = field(default_factory=list)

    def rows(self) -> Iterator[Row]:
        """A row for each check as it ends: kind, check, verdict, reason, seconds. Raises NotFound, BadRequest, ConfigError, PluginError."""
        done = 0
        while not self._plan or done < len(self._plan):
            with tempfile.TemporaryFile() as noise:
                process = _Process(self.target, self.config, done, noise)
                try:
                    for row in self._heard(process):
                        yield row
                        done += 1
                finally:
                    why = process.end()
                why = f"{why}: {last}" if (last := _last_line(noise)) else why
            if not self._plan:
                raise PluginError(f"{self.target} could not be loaded: {why}")
            if done < len(self._plan):
                kind, check = self._plan[done]
                yield {"kind": kind, "check": check, "verdict": "failed", "reason": why, "seconds": None}
                done += 1

    def _heard(self, process: "_Process") -> Iterator[Row]:
        while (words := process.next(self.seconds)) is not None:
            match words:
                case ["plan", str(name), list(plan)]:
                    self.plugin, self._plan = name, [(str(kind), str(check)) for kind, check in plan]
                case ["error", str(message), int(code)]:
                    raise REFUSALS.get(code, PluginError)(message)
                case ["ended", dict(row)]:
                    yield row


class _Process:
    """The process that runs the checks from ``first`` on; it gets none of Rig's own environment."""

    def __init__(self, target: str, config: str, first: int, noise: IO[bytes]) -> None:
        self._pipe, theirs = os.pipe()
        self._rest = b""
        self._silent = False
        command = [sys.executable, "-m", "rig.testing", target, config, str(first), str(theirs), *COMMANDS]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=noise,
                stderr=noise,
                env={name: value for name, value in os.environ.items() if not name.startswith("RIG_")},
                pass_fds=(theirs,),
                start_new_session=True,
            )
        finally:
            os.close(theirs)

    def next(self, seconds: float) -> Sequence[Any] | None:
        """What it says next; None when it has ended, or said nothing for so long."""
        while b"\n" not in self._rest:
            if not select.select([self._pipe], [], [], seconds)[0]:
                self._silent = True
                return None
            if not (more := os.read(self._pipe, 65536)) or len(self._rest) > LONGEST:
                return None
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        try:
            said = json.loads(line)
        except ValueError:
            return ()  # the plugin has found the pipe and wrote on it
        return said if isinstance(said, list) else ()

    def end(self) -> str:
        """End all of it, and say how it had ended."""
        if not self._silent:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(2)
        code = self._process.poll()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._pipe)
        if self._silent:
            return "it does not end, and its process was killed"
        return "its process was killed" if code is None else f"its process ended with {code}"


def _last_line(noise: IO[bytes]) -> str:
    noise.seek(0, os.SEEK_END)
    noise.seek(max(0, noise.tell() - 4000))
    lines = noise.read().decode("utf-8", "replace").strip().splitlines()
    return one_line(lines[-1]) if lines else ""
