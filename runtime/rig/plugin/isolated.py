"""A plugin in a process of its own: started when it is needed, restarted after it died, and unable to take the daemon along."""

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import IO, Any

import msgspec

from rig.errors import NotSent, TrackerUnavailable
from rig.plugin import parcels
from rig.plugin.files import FileEntry
from rig.plugin.raised import Answered, Died
from rig.text import one_line

log = logging.getLogger(__name__)

ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "SSL_CERT_FILE")
"""What a plugin's process gets of the daemon's environment: nothing that is secret."""
LINES = 200
"""Lines of a plugin's own output that reach the daemon's log for each of its processes, beside the last one's count."""


@dataclass
class _Running:
    process: subprocess.Popen[bytes]
    opened: parcels.Opened
    waiting: dict[int, "Future[Any]"]


class PluginProcess:
    """The process of one plugin; ``start`` it off the loop."""

    def __init__(self, name: str, entry: Any, config: Mapping[str, Any], seconds: float) -> None:
        """``seconds`` is how long loading may take."""
        self.name = name
        self._opening = parcels.Opening(name, entry.value, isinstance(entry, FileEntry), dict(config))
        self._seconds = seconds
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._threads: list[threading.Thread] = []
        self._stopped = False

    def start(self) -> parcels.Opened:
        """The process's word on what it registered, starting it if it does not run. Raises Died when it does not come up."""
        with self._lock:
            if self._running is not None and self._running.process.poll() is None:
                return self._running.opened
            if self._stopped:
                raise Died("the daemon stops")
            self._running = self._start()
            return self._running.opened

    def _start(self) -> _Running:
        environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "rig.plugin.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        waiting: dict[int, Future[Any]] = {}
        opened: Future[parcels.Opened] = Future()
        self._thread(self._read, process, process.stdout, waiting, opened)
        self._thread(self._log, process.stderr)
        try:
            process.stdin.write(parcels.encode(self._opening) + b"\n")
            process.stdin.flush()
            return _Running(process, opened.result(self._seconds), waiting)
        except TimeoutError:
            _kill(process)
            raise Died(f"its process took longer than {self._seconds:g} s to load") from None
        except OSError:
            _kill(process)
            raise Died("its process ended while it loaded") from None

    def _thread(self, function: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True, name=f"plugin-{self.name}-pipe")
        self._threads = [*(t for t in self._threads if t.is_alive()), thread]
        thread.start()

    def _read(
        self,
        process: subprocess.Popen[bytes],
        stdout: IO[bytes],
        waiting: "dict[int, Future[Any]]",
        opened: "Future[parcels.Opened]",
    ) -> None:
        """Hand out answers; when the pipe ends, nobody waits in vain."""
        try:
            opened.set_result(parcels.read_opened(stdout.readline()))
            for line in stdout:
                said = parcels.read_answer(line)
                future = waiting.pop(said.id, None)
                if future is None or not future.set_running_or_notify_cancel():
                    continue
                if said.error is None:
                    future.set_result(said.answer)
                else:
                    future.set_exception(_raised(said, said.error))
        except (ValueError, msgspec.MsgspecError):
            _kill(process)
        status = process.wait()
        for pipe in (stdout, process.stdin):
            with contextlib.suppress(OSError):  # what was still to be written has no reader
                assert pipe is not None
                pipe.close()
        died = Died(f"its process ended with status {status}")
        if not opened.done():
            opened.set_exception(died)
        while waiting:
            _, future = waiting.popitem()
            if future.set_running_or_notify_cancel():
                future.set_exception(died)

    def _log(self, stderr: IO[bytes]) -> None:
        count = 0
        with stderr:
            for line in stderr:
                count += 1
                if count <= LINES:
                    log.info("plugin %s: %s", self.name, one_line(line.decode(errors="replace"), 500))
        if count > LINES:
            log.warning("plugin %s: %d more lines were not taken into the log", self.name, count - LINES)

    async def call(self, hook: str, name: str, context: dict[str, Any]) -> Any:
        """The answer of a thing. Raises Answered with what it raised, or Died when the process ended over it."""
        await asyncio.to_thread(self.start)
        running = self._running
        if running is None:
            raise Died("its process has ended")
        assert running.process.stdin is not None
        number = next(self._ids)
        future: Future[Any] = Future()
        running.waiting[number] = future
        self._send(running, parcels.Ask(number, hook, name, context))
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            running.waiting.pop(number, None)
            self._send(running, parcels.Ask(number))
            raise

    def _send(self, running: _Running, ask: parcels.Ask) -> None:
        assert running.process.stdin is not None
        try:
            running.process.stdin.write(parcels.encode(ask) + b"\n")
            running.process.stdin.flush()
        except (OSError, ValueError):
            pass  # it has ended: the reading thread says so to who waits

    def stop(self) -> None:
        """End the process for good."""
        with self._lock:
            self._stopped = True
            running, self._running = self._running, None
        if running is not None:
            _kill(running.process)
        for thread in self._threads:
            thread.join(2)


def _raised(said: parcels.Answer, error: str) -> Exception:
    """What a call raised, as the guard is to see it."""
    match said.refusal:
        case "not_sent":
            return NotSent(error, retry_after=said.retry_after, final=said.final)
        case "tracker_unavailable":
            return TrackerUnavailable(error, retry_after=said.retry_after)
    return Answered(error)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a plugin's process and what it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
