"""A real ``rig serve`` in a process of its own, for tests that start, ask, kill and start again."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib import error, request

READY_WITHIN = 15.0


@dataclass
class Answer:
    """An HTTP answer, whatever its status."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Daemon:
    """``rig serve`` on a data directory. Start it, ask it, end it; the directory stays."""

    directory: Path
    config: str = ""
    """Text of its rig.toml; port and host are given on the command line."""
    environ: dict[str, str] = field(default_factory=dict)
    wrapper: Sequence[str] = ()
    """Program that runs it, such as ``strace …``."""
    arguments: Sequence[str] = ()
    python: str = sys.executable
    """The interpreter, and so the environment, that it runs in."""
    process: "subprocess.Popen[str] | None" = None
    url: str = ""
    ready_seconds: float = 0.0

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def log(self) -> Path:
        return self.directory / "stderr.log"

    def launch(self) -> "subprocess.Popen[str]":
        """Start the process without waiting for it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        file = self.directory / "rig.toml"
        file.write_text(self.config)
        command = [
            *self.wrapper,
            self.python,
            "-m",
            "rig.cli",
            "serve",
            "--config",
            str(file),
            "--data-dir",
            str(self.data),
            "--port",
            "0",
            *self.arguments,
        ]
        environ = {k: v for k, v in os.environ.items() if not k.startswith("RIG_")} | {"PYTHONUNBUFFERED": "1"} | self.environ
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environ,
                cwd=self.directory,
                start_new_session=True,
            )
        return self.process

    def start(self) -> "Daemon":
        """Start and wait for the line that says it serves; raises AssertionError with its log when it does not."""
        began = time.monotonic()
        process = self.launch()
        assert process.stdout is not None
        line = ""
        while time.monotonic() - began < READY_WITHIN and not line.endswith("\n"):
            if select.select([process.stdout], [], [], 0.1)[0]:
                line += process.stdout.readline()
            if process.poll() is not None:
                raise AssertionError(f"rig serve ended with {process.returncode}: {self.log.read_text()[-3000:]}")
        assert line.startswith("rig listening on http://"), (line, self.log.read_text()[-3000:])
        self.ready_seconds = time.monotonic() - began
        self.url = line.split()[-1]
        return self

    @property
    def pid(self) -> int:
        """The daemon's own process, also behind a wrapper."""
        return int((self.data / "lock").read_text())

    def kill(self) -> None:
        """SIGKILL to all of it."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            self._close()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        code = self.process.wait(15)
        self._close()
        return code

    def _close(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None

    def ask(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, timeout: float = 20
    ) -> Answer:
        """One request; ``body`` is sent as JSON, bytes as they are."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        given = ({"Content-Type": "application/json"} if data is not None else {}) | (headers or {})
        made = request.Request(self.url + path, data, given, method=method)
        try:
            with request.urlopen(made, timeout=timeout) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except error.HTTPError as refused:
            with refused:
                return Answer(refused.code, dict(refused.headers), refused.read())

    def post(self, **event: Any) -> Answer:
        """POST /api/events."""
        return self.ask("POST", "/api/events", event)

    def approve(self, number: int, **more: Any) -> Answer:
        """Queue issue ``number`` of acme/app; its title is a marker that can be found in the files."""
        title = f"marker-{number:04d}-here"
        return self.post(type="ISSUE_APPROVED", repo="acme/app", issueNumber=number, title=title, **more)

    def rig(self, *arguments: str, check: bool = False) -> "subprocess.CompletedProcess[str]":
        """A ``rig`` command on this data directory."""
        environ = os.environ | {"RIG_URL": self.url, "RIG_DATA_DIR": str(self.data)}
        return subprocess.run(
            [self.python, "-m", "rig.cli", *arguments],
            capture_output=True,
            text=True,
            env=environ,
            cwd=self.directory,
            timeout=120,
            check=check,
        )

    def wait_for(self, what: Any, seconds: float = 20) -> Any:
        """Ask ``what()`` until it gives something true."""
        deadline = time.monotonic() + seconds
        while not (found := what()):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {seconds} s in vain; {self.log.read_text()[-2000:]}")
            time.sleep(0.05)
        return found


@contextlib.contextmanager
def running(directory: Path, **options: Any) -> Iterator[Daemon]:
    """A started daemon that is ended whatever happens."""
    daemon = Daemon(directory, **options)
    try:
        yield daemon.start()
    finally:
        daemon.kill()
