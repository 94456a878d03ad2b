"""A real HTTP server on loopback that keeps what it gets and answers as it is told: the other side of what a plugin sends."""

import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

Trouble = Literal["", "hang", "drop", "garbage"]
"""``hang`` never answers, ``drop`` closes the connection, ``garbage`` answers with what is no HTTP; empty: a proper answer."""

MAX_KEPT = 1024 * 1024


@dataclass(frozen=True)
class Received:
    """A request."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Reaction:
    """How a request is answered."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    trouble: Trouble = ""


class Receiver:
    """The server; use it as a context manager. It runs on a thread of its own, so it serves synchronous tests as well.

    ``reaction`` may be replaced at any time.
    """

    def __init__(self, reaction: Reaction | None = None) -> None:
        self.reaction = reaction or Reaction()
        self.received: list[Received] = []
        """Every request, in the order in which they came."""
        self._over = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="receiver")

    @property
    def url(self) -> str:
        """Its address, without a slash at its end; any path below it is served."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def react(self, received: Received) -> Reaction:
        """Keep a request and say how it is answered. Called on the server's threads."""
        self.received.append(received)
        reaction = self.reaction
        if reaction.trouble == "hang":
            self._over.wait(30)
        return reaction


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing joins them

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 5

    def _serve(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(min(length, MAX_KEPT)) if length else b""
        headers = {name.lower(): value for name, value in self.headers.items()}
        reaction = self.server.receiver.react(Received(self.command, self.path, headers, body))
        self.close_connection = True
        if reaction.trouble in ("hang", "drop"):
            return
        with suppress(OSError):
            if reaction.trouble == "garbage":
                self.wfile.write(b"\x00\xff this is no HTTP\r\n\r\n" * 50)
                return
            self.send_response(reaction.status)
            for name, value in {"Content-Length": str(len(reaction.body)), "Connection": "close", **reaction.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reaction.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: tests have their own output."""
