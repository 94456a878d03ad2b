"""The load generator, a process of its own: keep-alive connections that post as fast as they are answered.

It speaks just enough HTTP/1.1 to be cheap: one request at a time a connection, answers with a Content-Length.
"""

import asyncio
import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any, Protocol, cast

from rig.bench import traffic


@dataclass(frozen=True)
class Load:
    """What to post, where, and for how long."""

    host: str
    port: int
    path: str
    key: str
    first: int
    """Number of the first request: requests of one store never repeat."""
    seconds: float
    warm: float = 0.3
    """Seconds at the beginning that are not counted."""
    connections: int = 64
    batch: int = 1
    """Events a request; above 1 the body is an array."""


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    rate: float
    """Answers with 200 a second, after the warm-up."""
    p50: float
    """Milliseconds."""
    p99: float
    accepted: int
    """All answers with 200, the warm-up's too."""
    refused: int
    first_refusal: str = ""


SHOWN = 1500
"""Bytes of an answer that are looked at."""


class Asker(Protocol):
    """What the connections of a load ask of it."""

    def request(self) -> tuple[str, bytes] | None:
        """The next request with the name of its kind, None when the time is over."""
        ...

    def answered(self, name: str, answer: bytes, size: int, seconds: float) -> None:
        """Count one, by its beginning (``SHOWN``) and its size."""
        ...

    def left(self) -> None:
        """A connection is closed."""
        ...


class Client(asyncio.BufferedProtocol):
    """One connection. Answers are received in place, so that big ones cost the generator little."""

    def __init__(self, run: Asker) -> None:
        self._run = run
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = bytearray(1 << 16)
        self._filled = 0
        self._wanted = 0
        """Size of the answer that is coming; 0 while its head has not come."""
        self._sent = 0.0
        self._name = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is none by its class
        self._next()

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._filled == len(self._buffer):
            self._buffer = self._buffer + bytearray(len(self._buffer))  # another one: the transport may still hold the old
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        if not self._wanted:
            head = self._buffer.find(b"\r\n\r\n", 0, self._filled)
            if head < 0:
                return
            at = self._buffer.find(b"ontent-Length: ", 0, head)
            length = int(self._buffer[at + 15 : self._buffer.find(b"\r", at + 15)]) if at >= 0 else 0  # 204 has none
            self._wanted = head + 4 + length
        if self._filled < self._wanted:
            return
        start = bytes(self._buffer[: min(self._filled, SHOWN)])
        self._run.answered(self._name, start, self._wanted, perf_counter() - self._sent)
        self._filled = self._wanted = 0
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        self._run.left()

    def _next(self) -> None:
        assert self._transport is not None
        request = self._run.request()
        if request is None:
            self._transport.close()
        else:
            self._name, message = request
            self._sent = perf_counter()
            self._transport.write(message)


class _Run:
    """The connections together."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._head = (
            f"POST {load.path} HTTP/1.1\r\nHost: {load.host}:{load.port}\r\nAuthorization: Bearer {load.key}\r\n"
            "Content-Type: application/json\r\nIdempotency-Key: k"
        ).encode()
        self._numbers: Iterator[int] = itertools.count(load.first)
        self._open = load.connections
        self._done = asyncio.get_running_loop().create_future()
        self._began = perf_counter()
        self._times: list[float] = []
        self._accepted = self._refused = 0
        self._first_refusal = b""

    def request(self) -> tuple[str, bytes] | None:
        if perf_counter() - self._began > self._load.warm + self._load.seconds:
            return None
        number = next(self._numbers)
        body = traffic.single(number) if self._load.batch == 1 else traffic.batch(number, self._load.batch)
        return "", b"%s%d\r\nContent-Length: %d\r\n\r\n%s" % (self._head, number, len(body), body)

    def answered(self, name: str, answer: bytes, size: int, seconds: float) -> None:
        if answer.startswith(b"HTTP/1.1 200"):
            self._accepted += 1
            if perf_counter() - self._began > self._load.warm:
                self._times.append(seconds)
        else:
            self._refused += 1
            self._first_refusal = self._first_refusal or answer

    def left(self) -> None:
        self._open -= 1
        if not self._open and not self._done.done():
            self._done.set_result(None)

    async def outcome(self) -> Outcome:
        loop = asyncio.get_running_loop()
        load = self._load
        await asyncio.gather(
            *(loop.create_connection(lambda: Client(self), load.host, load.port) for _ in range(load.connections))
        )
        await self._done
        times = sorted(self._times) or [float("nan")]
        return Outcome(
            rate=len(self._times) / (perf_counter() - self._began - load.warm),
            p50=times[len(times) // 2] * 1e3,
            p99=times[len(times) * 99 // 100] * 1e3,
            accepted=self._accepted,
            refused=self._refused,
            first_refusal=self._first_refusal.decode(errors="replace")[:1000],
        )


async def _main(load: Load) -> Outcome:
    return await _Run(load).outcome()


async def generate(load: Load) -> Outcome:
    """Run a load in a process of its own. Raises RuntimeError when nothing was accepted."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "rig.bench.load", json.dumps(asdict(load)), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the load generator ended with {process.returncode}")
    found: dict[str, Any] = json.loads(out)
    outcome = Outcome(**found)
    if not outcome.accepted or outcome.refused:
        raise RuntimeError(
            f"{outcome.refused} of {outcome.refused + outcome.accepted} requests were refused: {outcome.first_refusal}"
        )
    return outcome


if __name__ == "__main__":
    from rig.bench.children import loop_factory

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        print(json.dumps(asdict(runner.run(_main(Load(**json.loads(sys.argv[1])))))))
