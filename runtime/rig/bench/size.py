"""A big store (B6, I34, T9): starts, reads and claims over HTTP, commits and the fold of it all, beside smaller ones."""

import asyncio
import random
import shutil
import sys
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from rig.bench import history, mix
from rig.bench.children import Child, daemon, data_of, environment, store_key
from rig.bench.growth import Cost, grow
from rig.bench.mix import Kind, Mix, Timed
from rig.bench.report import Line, Section, Target, ratio
from rig.bench.settings import Settings, until_ended
from rig.model.rows import Row
from rig.model.states import CONDUCTOR_STATES, VOCABULARY
from rig.model.tables import ISSUES, JOBS, QUEUE, Query, Table
from rig.store.opening import open_sqlite
from rig.store.port import Snapshot

R = TypeVar("R", bound=Row)

CLIENTS = 8
PAGE = 100
PATHS = 500
"""Different requests of a kind."""
SUMMARIES = ("usage", "costs summary")
"""Kinds that may take 100 ms; the others 20."""


async def size(settings: Settings) -> Section:
    """The store of full size is copied before anything is asked of it, so that one which is kept stays as it was made."""
    sizes = {"1k": 1_000, "a tenth": max(2_000, settings.store_size // 10), "full": settings.store_size}
    notes, homes = [], {}
    for name, events in sizes.items():
        made, homes[name] = await _store(settings, events)
        if made is not None:
            rate = made.events / made.seconds
            notes.append(f"{made.events:,} events, {made.issues:,} issues made in {made.seconds:.0f} s, {rate:,.0f} events/s")
    costs = await grow({name: data_of(home) for name, home in homes.items()}, settings.rounds, ("a tenth", "full"))
    full = homes["full"]
    log = open_sqlite(data_of(full)).log
    key = (await store_key(log)).text
    with log.snapshot() as snapshot:
        kinds = _kinds(snapshot, settings.store_size // history.EVENTS_AN_ISSUE)
    await log.close()
    ready, timed, rss = await _serve(settings, full, key, kinds)
    rate = await _rebuild(data_of(full), settings.store_size)
    notes.append(f"the store's file has {(data_of(full) / 'log.db').stat().st_size / 1e6:,.0f} MB")
    return Section(
        "size",
        f"{settings.store_size:,} events, {settings.store_size // history.EVENTS_AN_ISSUE:,} issues; {CLIENTS} clients (B6, I34, T9)",
        (
            Line("rig serve until it listens", "s", tuple(ready)),
            Line("rig rebuild", "events/s", (rate,)),
            Line("resident set after the requests", "MB", (rss,)),
            *_asked(timed),
            *_committed(costs),
        ),
        (*_bounds(timed, ready, rate), *_growth(costs)),
        tuple(notes),
    )


async def _store(settings: Settings, events: int) -> tuple[history.Made | None, Path]:
    """A store of a size to measure: made, or copied from the one that is kept; with how the making went, None if it was there."""
    home = settings.fresh(f"size-{events}")
    kept = settings.directory if settings.keep is None else settings.keep
    source = kept / f"store-{events}"
    made = None
    if not (source / "complete").exists():
        shutil.rmtree(source, ignore_errors=True)
        print(f"making a store of {events:,} events …", file=sys.stderr, flush=True)
        made = await history.make(source / "data", events)
        (source / "complete").touch()
    if settings.keep is None:
        (source / "data").rename(data_of(home))
    else:
        await asyncio.to_thread(shutil.copytree, source / "data", data_of(home))
    return made, home


def _kinds(snapshot: Snapshot, issues: int) -> tuple[Kind, ...]:
    """The requests of the mix, over all of what is stored: every state, offsets anywhere in its list."""
    dice = random.Random(1)

    def count(table: Table[R], *where: tuple[str, str, object]) -> int:
        return snapshot.count(Query(table, history.TENANT, where))  # type: ignore[arg-type]

    def offsets(length: int) -> list[int]:
        return [dice.randrange(max(1, length - PAGE)) for _ in range(PATHS // len(CONDUCTOR_STATES))]

    def states(word: str) -> tuple[str, ...]:
        return tuple(s for s, words in VOCABULARY.items() if words.conductor == word)

    traces = [history.stream(dice.randrange(issues)) for _ in range(PATHS)]
    lists = [
        f"/api/issues?state={word}&limit={PAGE}&offset={offset}"
        for word in CONDUCTOR_STATES
        for offset in offsets(count(ISSUES, ("state", "in", states(word))))
    ]
    days = range(1, history.DAYS)
    agents = [history.agent(n) for n in range(history.AGENTS)]
    return (
        Kind("next", tuple(f"/api/assignments/next?agentId={agent}" for agent in agents)),
        Kind("claim", ("/api/assignments/claim",), "POST", tuple(f'{{"agentId":"{agent}"}}' for agent in agents)),
        Kind("trace", tuple(f"/api/issues/{stream.replace('/', '%2F').replace('#', '%23')}/trace" for stream in traces)),
        Kind("issues of a state", tuple(lists)),
        Kind("queue", tuple(f"/api/queue?limit={PAGE}&offset={n}" for n in offsets(count(QUEUE, ("ready", "=", 1))))),
        Kind(
            "execution logs of a status",
            tuple(f"/api/execution-logs?status={word}" for word in ("running", "completed", "failed", "stuck")),
        ),
        Kind("jobs", tuple(f"/api/jobs?page={n // 20 + 1}" for n in offsets(count(JOBS)))),
        Kind("usage", ("/api/usage", *(f"/api/usage?days={n}" for n in days))),
        Kind("costs summary", tuple(f"/api/costs/summary?days={n}" for n in days)),
    )


async def _serve(
    settings: Settings, home: Path, key: str, kinds: tuple[Kind, ...]
) -> tuple[list[float], list[dict[str, Timed]], float]:
    """(seconds until it listens, times a round, megabytes in the end) of daemons on the store."""
    ready, timed = [], []
    for _ in range(2):
        async with daemon(home) as child:
            ready.append(child.ready)
    async with daemon(home) as child:
        ready.append(child.ready)
        for number in range(settings.rounds):
            timed.append(await _ask(settings, home, child, key, kinds, number))
        rss = child.rss
    return ready, timed, rss


async def _ask(
    settings: Settings, home: Path, child: Child, key: str, kinds: tuple[Kind, ...], number: int
) -> dict[str, Timed]:
    seconds = max(4.0, 4 * settings.seconds)
    return await mix.ask(Mix(child.host, child.port, key, kinds, seconds, number, CLIENTS), home)


async def _rebuild(directory: Path, events: int) -> float:
    """Events a second of ``rig rebuild``, the start of the program and the hashes included."""
    began = perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "rig.cli", "rebuild", "--data-dir", str(directory)),
        cwd=directory,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    await until_ended(process)
    return events / (perf_counter() - began)


def _asked(timed: list[dict[str, Timed]]) -> list[Line]:
    return [
        Line(f"{name}, {which}", "ms", tuple(getattr(times[name], which) for times in timed))
        for name in timed[0]
        for which in ("p50", "p99")
    ]


def _committed(costs: dict[str, Cost]) -> list[Line]:
    named = {
        "grouped": "an event, 64 callers",
        "keyed": "an event with key, 64 callers",
        "alone": "an event with key, one caller",
        "claim": "a claim, one caller",
    }
    return [
        Line(f"{words}, {name}", "µs", tuple(getattr(cost, field)))
        for field, words in named.items()
        for name, cost in costs.items()
        if getattr(cost, field)
    ]


def _bounds(timed: list[dict[str, Timed]], ready: list[float], rate: float) -> list[Target]:
    out = [
        Target(f"{line.name}, median of the rounds", line.median, "≤", 100 if line.name.startswith(SUMMARIES) else 20, "ms")
        for line in _asked(timed)
        if line.name.endswith("p99")
    ]
    return [
        *out,
        Target("rig serve until it listens, slowest", max(ready), "≤", 10, "s"),
        Target("rig rebuild", rate, "≥", 50_000, "events/s"),
    ]


def _growth(costs: dict[str, Cost]) -> list[Target]:
    full, tenth, small = costs["full"], costs["a tenth"], costs["1k"]
    return [
        Target("an event, full : 1k", ratio(full.grouped, small.grouped), "≤", 1.25),
        Target("an event with key, full : 1k", ratio(full.keyed, small.keyed), "≤", 1.25),
        Target("an event with key, one caller, full : 1k", ratio(full.alone, small.alone), "≤", 1.25),
        Target("a claim, full : a tenth", ratio(full.claim, tenth.claim), "≤", 1.5),
    ]
