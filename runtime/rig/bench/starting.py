"""Cold starts and rest (A10): ``rig --help``, ``rig serve`` until it listens, and what an idle daemon takes."""

import asyncio
import sys
from pathlib import Path
from time import perf_counter

from rig.bench.children import Child, daemon, environment
from rig.bench.report import Line, Section, Target
from rig.bench.settings import Settings, until_ended

IDLE_SECONDS = 10.0


async def starts(settings: Settings) -> Section:
    """Medians over several processes; the data directory is made by a start that is not counted."""
    helps = [await _help(settings.directory) for _ in range(settings.starts)]
    home = settings.fresh("starts")
    async with daemon(home):
        pass
    ready = []
    for _ in range(settings.starts - 1):
        async with daemon(home) as child:
            ready.append(child.ready)
    async with daemon(home) as child:
        ready.append(child.ready)
        rss, cpu = await _rest(child, 3.0 if settings.quick else IDLE_SECONDS)
    lines = (
        Line("rig --help", "ms", tuple(t * 1e3 for t in helps)),
        Line("rig serve until it listens", "s", tuple(ready)),
    )
    return Section(
        "start",
        "cold starts, and a daemon at rest",
        lines,
        (
            Target("rig --help", lines[0].median, "≤", 150, "ms"),
            Target("rig serve until it listens", lines[1].median, "≤", 1.5, "s"),
            Target("idle daemon, resident set", rss, "≤", 120, "MB"),
            Target("idle daemon, of a core", cpu * 100, "≤", 1, "%"),
        ),
    )


async def _help(directory: Path) -> float:
    began = perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "rig.cli", "--help", cwd=directory, env=environment(), stdout=asyncio.subprocess.PIPE
    )
    await until_ended(process)
    return perf_counter() - began


async def _rest(child: Child, seconds: float) -> tuple[float, float]:
    """(resident megabytes, share of a core) of a daemon that nobody asks anything."""
    await asyncio.sleep(1)  # what the start left to do in the background
    cpu, began = child.cpu_seconds(), perf_counter()
    await asyncio.sleep(seconds)
    return child.rss, (child.cpu_seconds() - cpu) / (perf_counter() - began)
