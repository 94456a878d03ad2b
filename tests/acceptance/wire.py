"""Clients that a test can break off: a connection that is kept open, event streams cut anywhere, strace on a running process."""

import contextlib
import http.client
import json
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from tests.acceptance.daemon import Answer

Lost = (OSError, http.client.HTTPException)
"""What a client sees of a daemon that was killed: its request may have been done, or not."""


class Connection:
    """One kept-open HTTP connection. After one of ``Lost`` it is closed and the next request opens it again."""

    def __init__(self, url: str, timeout: float = 20) -> None:
        address = urlsplit(url)
        self._http = http.client.HTTPConnection(address.hostname or "", address.port, timeout=timeout)

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """One request; ``body`` is sent as JSON, bytes as they are."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        given = ({"Content-Type": "application/json"} if data is not None else {}) | (headers or {})
        try:
            self._http.request(method, path, data, given)
            answer = self._http.getresponse()
            return Answer(answer.status, dict(answer.headers), answer.read())
        except Lost:
            self._http.close()
            raise

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class Frame:
    """One frame of an event stream; comments have none."""

    id: int | None
    event: str
    data: Any

    @classmethod
    def of(cls, text: str) -> "Frame | None":
        fields = dict(line.split(": ", 1) for line in text.splitlines() if line and not line.startswith(":"))
        if "data" not in fields:
            return None
        number = fields.get("id")
        return cls(None if number is None else int(number), fields.get("event", "message"), json.loads(fields["data"]))


class EventStream:
    """An open ``GET /api/v1/events``: whole frames as they come; what is cut off amid a frame is lost, as for any client."""

    def __init__(
        self,
        url: str,
        cursor: int | None = None,
        *,
        query: str = "",
        timeout: float = 20,
        headers: dict[str, str] | None = None,
    ) -> None:
        address = urlsplit(url)
        self._http = http.client.HTTPConnection(address.hostname or "", address.port, timeout=timeout)
        given = {} if cursor is None else {"Last-Event-ID": str(cursor)}
        try:
            self._http.request("GET", f"/api/v1/events{query}", headers=given | (headers or {}))
            self._answer = self._http.getresponse()
        except Lost:
            self._http.close()
            raise
        self.status = self._answer.status
        self.bytes = 0
        self._rest = b""

    def frames(self, cut_after: int | None = None) -> Iterator[Frame]:
        """Frames until the stream ends, its socket times out, the daemon dies, or ``cut_after`` bytes were taken."""
        with contextlib.suppress(*Lost):
            while cut_after is None or self.bytes < cut_after:
                data = self._answer.read1(1 << 16 if cut_after is None else min(1 << 16, cut_after - self.bytes))
                if not data:
                    return
                self.bytes += len(data)
                *whole, self._rest = (self._rest + data).split(b"\n\n")
                for text in whole:
                    frame = Frame.of(text.decode())
                    if frame is not None:
                        yield frame

    def close(self) -> None:
        self._answer.close()
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def tampered(strace: str, pid: int, call: str, effect: str, *paths: str) -> Iterator[None]:
    """While it lasts, ``call`` has ``effect`` (``error=EIO`` …) in a running process, on ``paths`` alone where some are given."""
    only = [part for path in paths for part in ("-P", path)]
    command = [strace, "-f", "-o", "/dev/null", *only, "-e", f"trace={call}", "-e", f"inject={call}:{effect}", "-p", str(pid)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        while "attached" not in line:
            assert process.poll() is None, f"strace cannot attach: {line}"
            line = process.stderr.readline()
        yield
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        process.stderr.close()


def until(ready: Any, seconds: float, what: str) -> Any:
    """Ask ``ready()`` until it gives something true; fails with ``what`` otherwise."""
    deadline = time.monotonic() + seconds
    while not (found := ready()):
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)
    return found


def program(arguments: Sequence[str], **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end, at most a minute."""
    return subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False, **options)
