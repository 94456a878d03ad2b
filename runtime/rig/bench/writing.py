"""The write path (T6): durable POST /api/events against a keyed daemon, a bare handler, and the daemon with a null store."""

import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from rig.bench.children import Child, daemon, data_of, keyed_store, running, stored
from rig.bench.load import Load, Outcome, generate
from rig.bench.report import Line, Section, Target, ratio
from rig.bench.settings import Settings

CONNECTIONS = 64
BATCH = 64


@dataclass
class _Variant:
    """One server under one kind of load."""

    name: str
    child: Child
    key: str
    path: str = "/api/events"
    batch: int = 1
    first: int = 0
    outcomes: list[Outcome] = field(default_factory=list)

    async def run(self, seconds: float) -> None:
        host, port = self.child.host, self.child.port
        load = Load(host, port, self.path, self.key, self.first, seconds, connections=CONNECTIONS, batch=self.batch)
        outcome = await generate(load)
        self.first += outcome.accepted
        self.outcomes.append(outcome)

    @property
    def rates(self) -> tuple[float, ...]:
        """Events a second, a round each."""
        return tuple(o.rate * self.batch for o in self.outcomes)

    def line(self) -> Line:
        return Line(self.name, "events/s", self.rates)

    def time(self, which: str) -> Line:
        return Line(f"{self.name}, {which}", "ms", tuple(getattr(o, which) for o in self.outcomes))


async def write_path(settings: Settings) -> Section:
    """Alternate between the servers; afterwards the log must hold exactly what was acknowledged."""
    home, batch_home, null_home = (settings.fresh(name) for name in ("rig", "rig-batch", "rig-null"))
    keys = [await keyed_store(home), await keyed_store(batch_home)]
    async with AsyncExitStack() as stack:
        bare = await stack.enter_async_context(
            running(sys.executable, "-P", "-m", "rig.bench.bare", cwd=settings.fresh("bare"))
        )
        null = await stack.enter_async_context(daemon(null_home, "rig.bench.null"))
        rig = await stack.enter_async_context(daemon(home))
        batched = await stack.enter_async_context(daemon(batch_home))
        null_key = (data_of(null_home) / "bench-key").read_text()
        variants = [
            _Variant("a bare aiohttp handler", bare, keys[0]),
            _Variant("rig serve, null store", null, null_key),
            _Variant("rig serve, POST /api/events", rig, keys[0]),
            _Variant(f"rig serve, POST /api/events/batch of {BATCH}", batched, keys[1], "/api/events/batch", BATCH),
        ]
        for number in range(settings.rounds):
            for variant in variants if number % 2 == 0 else reversed(variants):
                await variant.run(settings.seconds)
        rss = max(rig.rss, batched.rss)
    plain, nothing, single, many = variants
    for variant, directory, operation in ((single, home, "post_event"), (many, batch_home, "post_events")):
        acknowledged, found = variant.first * variant.batch, stored(directory, operation)
        if found != acknowledged:
            raise RuntimeError(f"{acknowledged} events were acknowledged and {found} are in the log")
    return Section(
        "write",
        f"durable POST with key and Idempotency-Key, {CONNECTIONS} connections (T6)",
        (*(v.line() for v in variants), single.time("p50"), single.time("p99"), Line("resident set afterwards", "MB", (rss,))),
        (
            Target("POST /api/events : bare handler", ratio(single.rates, plain.rates), "≥", 0.25),
            Target("POST /api/events : null store", ratio(single.rates, nothing.rates), "≥", 0.5),
            Target("batch : POST /api/events", ratio(many.rates, single.rates), "≥", 4),
        ),
        (f"{single.first:,} + {many.first * BATCH:,} events acknowledged, and exactly those are in the logs",),
    )
