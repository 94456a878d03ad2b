"""What one commit and one claim cost the store, by how much is stored: variants on several stores that alternate (T9)."""

import asyncio
import random
from collections.abc import Collection
from pathlib import Path
from statistics import median
from time import perf_counter

import msgspec

from rig.bench import history
from rig.ids import SystemIds
from rig.model.events import NewEvent, encode
from rig.model.tables import QUEUE, Query
from rig.store.log import Log
from rig.store.opening import open_sqlite
from rig.store.units import Claim, Idempotency, Outcome, Unit

CALLERS = 64
COMMITS = 4096
ALONE = 400
CLAIMS = 1200
"""At most, in all rounds."""


class Cost(msgspec.Struct):
    """Microseconds on one store, a value a round."""

    grouped: list[float] = msgspec.field(default_factory=list)
    """An event, committed by 64 callers."""
    keyed: list[float] = msgspec.field(default_factory=list)
    """The same with an idempotency key each."""
    alone: list[float] = msgspec.field(default_factory=list)
    """Median of one keyed commit after the other, by one caller."""
    claim: list[float] = msgspec.field(default_factory=list)
    """Median of one claim after the other, by one caller; empty on a store without claims."""


async def grow(directories: dict[str, Path], rounds: int, claims: Collection[str]) -> dict[str, Cost]:
    """Measure each store in turn, in an order that turns round; one warm round goes uncounted.

    Claims only on the stores that are named, whose queues are long enough.
    """
    opened = {name: open_sqlite(directory) for name, directory in directories.items()}
    costs = {name: Cost() for name in opened}
    workers = {
        name: _Work(store.log, _claims(store.log) // (rounds + 1) if name in claims else 0) for name, store in opened.items()
    }
    try:
        for number in range(rounds + 1):
            names = list(opened) if number % 2 == 0 else list(reversed(opened))
            for name in names:
                await workers[name].round(costs[name] if number else Cost())
    finally:
        for store in opened.values():
            await store.log.close()
    return costs


def _claims(log: Log) -> int:
    """How many issues may be claimed, for all rounds."""
    with log.snapshot() as snapshot:
        where = (("ready", "=", 1), ("not_before", "=", 0))
        return min(snapshot.count(Query(QUEUE, history.TENANT, where)), CLAIMS)  # type: ignore[arg-type]


class _Work:
    """Commits and claims on one store, that never repeat."""

    def __init__(self, log: Log, claims: int) -> None:
        self._log = log
        self._claims = claims
        self._ids = SystemIds()
        self._random = random.Random()
        self._made = 0

    async def round(self, cost: Cost) -> None:
        if self._claims:
            cost.claim.append(await self._one_by_one([self._claim(n) for n in range(self._claims)]))
        cost.grouped.append(await self._together([self._unit(keyed=False) for _ in range(COMMITS)]))
        cost.keyed.append(await self._together([self._unit(keyed=True) for _ in range(COMMITS)]))
        cost.alone.append(await self._one_by_one([self._unit(keyed=True) for _ in range(ALONE)]))

    def _unit(self, *, keyed: bool) -> Unit:
        """An event of a new issue's life as in ``rig.bench.traffic``, spread over agents and repositories as the history is."""
        kind, number = self._made % 4, 10**7 + self._made // 4
        self._made += 1
        issue = {"repo": history.repo(number), "issueNumber": number}
        who = {"agentId": history.agent(number)}
        stream = f"{history.repo(number)}#{number}"
        event = (
            NewEvent(stream, "issue_approved", encode(issue | {"title": "The form forgets what was typed"})),
            NewEvent(stream, "work_started", encode(issue | who)),
            NewEvent(stream, "token_usage", encode(issue | who | {"model": "claude-sonnet-4-5", "inputTokens": 1200})),
            NewEvent(history.agent(number), "heartbeat", encode(who | {"status": "working"})),
        )[kind]
        unit = Unit(history.TENANT, (event,), principal="bench", operation="post_event", request_id=f"r-{self._made:012d}")
        if not keyed:
            return unit
        key = self._random.randbytes(32)
        scope = f"{history.TENANT}\nbench\nPOST\n/api/events\n{key.hex()}"
        answer = Outcome(200, b"x" * 120)
        return msgspec.structs.replace(unit, idempotency=Idempotency(scope, key), outcome=lambda _: answer)

    def _claim(self, number: int) -> Claim:
        return Claim(history.TENANT, history.agent(number), self._ids.uuid(), self._ids.job(), history.LONG)

    async def _together(self, units: list[Unit]) -> float:
        waiting = iter(units)

        async def caller() -> None:
            for unit in waiting:
                await self._log.commit(unit)

        began = perf_counter()
        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return (perf_counter() - began) / len(units) * 1e6

    async def _one_by_one(self, work: list[Unit] | list[Claim]) -> float:
        times = []
        for item in work:
            began = perf_counter()
            if isinstance(item, Claim):
                if await self._log.claim(item) is None:
                    raise RuntimeError("the queue of a store ran dry")
            else:
                await self._log.commit(item)
            times.append(perf_counter() - began)
        return median(times) * 1e6
