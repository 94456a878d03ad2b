"""Clients that ask for many things at once, a process of its own: each takes a kind of request by chance, and each kind is timed."""

import asyncio
import json
import random
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from rig.bench.load import Client
from rig.bench.settings import until_ended


@dataclass(frozen=True)
class Kind:
    """One kind of request; which of the paths is asked for is left to chance."""

    name: str
    paths: tuple[str, ...]
    method: str = "GET"
    bodies: tuple[str, ...] = ()
    """JSON; where there are some, one by chance goes along, with an Idempotency-Key of its own."""


@dataclass(frozen=True)
class Mix:
    """What to ask, where, and for how long."""

    host: str
    port: int
    key: str
    kinds: tuple[Kind, ...]
    seconds: float
    seed: int
    """Idempotency keys follow from it, so it never repeats on one store."""
    clients: int = 8
    warm: float = 0.5
    """Seconds at the beginning that are not counted."""


@dataclass(frozen=True)
class Timed:
    """One kind's times in milliseconds."""

    count: int
    p50: float
    p99: float
    slowest: float
    bytes: float
    """Mean size of an answer."""


class _Run:
    """The clients together."""

    def __init__(self, mix: Mix) -> None:
        self._mix = mix
        self._random = random.Random(mix.seed)
        self._began = perf_counter()
        self._times: dict[str, list[float]] = {kind.name: [] for kind in mix.kinds}
        self._sizes = dict.fromkeys(self._times, 0)
        self._open = mix.clients
        self._done = asyncio.get_running_loop().create_future()
        self.refusal = b""
        self.refused = 0

    def request(self) -> tuple[str, bytes] | None:
        if perf_counter() - self._began > self._mix.warm + self._mix.seconds:
            return None
        dice, mix = self._random, self._mix
        kind = dice.choice(mix.kinds)
        head = f"{kind.method} {dice.choice(kind.paths)} HTTP/1.1\r\nHost: {mix.host}:{mix.port}\r\nAuthorization: Bearer {mix.key}\r\n"
        if not kind.bodies:
            return kind.name, f"{head}\r\n".encode()
        body = dice.choice(kind.bodies)
        key = f"{mix.seed}-{dice.getrandbits(64):x}"
        more = f"Content-Type: application/json\r\nIdempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        return kind.name, (head + more).encode()

    def answered(self, name: str, answer: bytes, size: int, seconds: float) -> None:
        if not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 204")):
            self.refused += 1
            self.refusal = self.refusal or answer
        if perf_counter() - self._began > self._mix.warm:
            self._times[name].append(seconds * 1e3)
            self._sizes[name] += size

    def left(self) -> None:
        self._open -= 1
        if not self._open and not self._done.done():
            self._done.set_result(None)

    async def outcome(self) -> dict[str, Timed]:
        loop = asyncio.get_running_loop()
        mix = self._mix
        await asyncio.gather(*(loop.create_connection(lambda: Client(self), mix.host, mix.port) for _ in range(mix.clients)))
        await self._done
        return {name: _timed(sorted(times), self._sizes[name]) for name, times in self._times.items()}


def _timed(times: list[float], size: int) -> Timed:
    count = len(times)
    if not count:
        raise RuntimeError("a kind of request was never answered; measure for longer")
    return Timed(count, times[count // 2], times[count * 99 // 100], times[-1], size / count)


async def ask(mix: Mix, directory: Path) -> dict[str, Timed]:
    """Run a mix in a process of its own. Raises RuntimeError when a request was refused."""
    file = directory / "mix.json"
    file.write_text(json.dumps(asdict(mix)))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "rig.bench.mix", str(file), stdout=asyncio.subprocess.PIPE
    )
    found: dict[str, Any] = json.loads(await until_ended(process))
    return {name: Timed(**times) for name, times in found.items()}


async def _main(given: dict[str, Any]) -> dict[str, Any]:
    kinds = tuple(Kind(**kind) for kind in given.pop("kinds"))
    run = _Run(Mix(kinds=kinds, **given))
    outcome = await run.outcome()
    if run.refused:
        raise RuntimeError(f"{run.refused} requests were refused: {run.refusal[:1000]!r}")
    return {name: asdict(times) for name, times in outcome.items()}


if __name__ == "__main__":
    from rig.bench.children import loop_factory

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        print(json.dumps(runner.run(_main(json.loads(Path(sys.argv[1]).read_text())))))
