"""Group commit beside one commit an event (T2), on this disk and on one that takes 1 ms longer to sync."""

import asyncio
import json
import sys
from pathlib import Path
from time import perf_counter

import msgspec

from rig.bench import traffic
from rig.bench.children import environment, loop_factory
from rig.bench.report import Line, Section, Target, ratio
from rig.bench.settings import Settings, until_ended
from rig.bench.shim import slow_fsync
from rig.model import facts
from rig.model.events import NewEvent, encode
from rig.store import writer
from rig.store.log import Log
from rig.store.opening import open_sqlite
from rig.store.units import Unit

CALLERS = 64


def unit(number: int) -> Unit:
    """Event ``number`` as a unit."""
    fact = facts.parse(msgspec.json.decode(traffic.event(number)))
    return Unit(
        "default", (NewEvent(fact.stream, fact.type.name, encode(fact.body)),), principal="bench", operation="post_event"
    )


async def group_commit(settings: Settings) -> Section:
    """Each variant in a process of its own, because a slower disk is a preloaded library."""
    slow = await slow_fsync(settings.directory, 1)
    disks = {"": {}} if isinstance(slow, str) else {"": {}, ", +1 ms a sync": slow}
    rates: dict[tuple[str, bool], list[float]] = {}
    for _ in range(max(2, settings.rounds - 2)):
        for disk, variables in disks.items():
            for group in (True, False):
                rates.setdefault((disk, group), []).append(await _child(settings, group, variables))
    lines = [
        Line(("group commit" if group else "one commit an event") + disk, "events/s", tuple(r))
        for (disk, group), r in rates.items()
    ]
    lines += [Line(f"gain{disk}", "×", (ratio(rates[disk, True], rates[disk, False]),)) for disk in disks]
    title = f"{CALLERS} callers on the store, synchronous=FULL (T2)"
    if isinstance(slow, str):
        return Section("commit", title, tuple(lines), notes=(slow,))
    gain = ratio(rates[", +1 ms a sync", True], rates[", +1 ms a sync", False])
    return Section("commit", title, tuple(lines), (Target("group commit : one an event, +1 ms a sync", gain, "≥", 20),))


async def _child(settings: Settings, group: bool, variables: dict[str, str]) -> float:
    arguments = json.dumps([str(settings.fresh("commits")), group, settings.seconds])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "rig.bench.commits", arguments, env=environment(**variables), stdout=asyncio.subprocess.PIPE
    )
    return float(await until_ended(process))


async def _measure(directory: Path, group: bool, seconds: float) -> float:
    """Events a second of callers that each wait for their commit."""
    if not group:
        writer.MAX_EVENTS = 1  # the writer then takes one of all that wait
    log = open_sqlite(directory).log
    try:
        await _commit(log, [unit(n) for n in range(640)], 60)
        return await _commit(log, [unit(n) for n in range(640, 640 + round(25_000 * seconds))], seconds)
    finally:
        await log.close()


async def _commit(log: Log, units: list[Unit], seconds: float) -> float:
    """The rate until the units or the seconds are used up."""
    count = 0
    waiting = iter(units)
    began = perf_counter()

    async def caller() -> None:
        nonlocal count
        for one in waiting:
            await log.commit(one)
            count += 1
            if perf_counter() - began > seconds:
                return

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return count / (perf_counter() - began)


if __name__ == "__main__":
    path, group, seconds = json.loads(sys.argv[1])
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        print(runner.run(_measure(Path(path), group, seconds)))
