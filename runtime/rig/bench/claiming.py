"""Claims: 50 claimers empty a queue of 2,000 issues on SQLite, each claim safe on disk, in exactly the queue's order."""

import asyncio
from time import perf_counter

from rig.bench.report import Line, Section, Target
from rig.bench.settings import Settings
from rig.ids import SystemIds
from rig.model.events import NewEvent, encode
from rig.store.opening import open_sqlite
from rig.store.units import Claim, Committed, Unit

CLAIMERS = 50
ISSUES = 2000
PRIORITIES = ("critical", "high", "normal", "low")


async def claims(settings: Settings) -> Section:
    """A fresh queue a round."""
    rates, slowest = [], []
    for _ in range(settings.rounds):
        rate, longest = await _round(settings)
        rates.append(rate)
        slowest.append(longest * 1e3)
    lines = (Line("claims", "claims/s", tuple(rates)), Line("slowest claim", "ms", tuple(slowest)))
    return Section(
        "claim",
        f"{CLAIMERS} claimers, {ISSUES:,} issues of four priorities, synchronous=FULL",
        lines,
        (Target("claims", lines[0].median, "≥", 5000, "/s"),),
        ("every issue once, in the exact order of priority and age",),
    )


async def _round(settings: Settings) -> tuple[float, float]:
    log = open_sqlite(settings.fresh("claims")).log
    try:
        await log.commit_many([_issue(n) for n in range(ISSUES)])
        handed: list[Committed] = []
        longest = 0.0
        ids = SystemIds()
        began = perf_counter()

        async def claimer(number: int) -> None:
            nonlocal longest
            while True:
                asked = perf_counter()
                claim = Claim("default", f"agent-{number}", ids.uuid(), ids.job(), 120)
                committed = await log.claim(claim)
                longest = max(longest, perf_counter() - asked)
                if committed is None:
                    return
                handed.append(committed)

        await asyncio.gather(*(claimer(n) for n in range(CLAIMERS)))
        rate = len(handed) / (perf_counter() - began)
    finally:
        await log.close()
    _check(handed)
    return rate, longest


def _issue(number: int) -> Unit:
    body = {"repo": "acme/web", "issueNumber": number + 1, "title": f"Issue {number + 1}", "priority": PRIORITIES[number % 4]}
    return Unit("default", (NewEvent(f"acme/web#{number + 1}", "issue_approved", encode(body)),), operation="post_event")


def _check(handed: list[Committed]) -> None:
    """Raises RuntimeError unless the claims, in the log's order, took the queue from its head."""
    granted = sorted((e.sequence, e.stream) for c in handed for e in c.events if e.type == "issue_assigned")
    numbers = [int(stream.partition("#")[2]) - 1 for _, stream in granted]
    if numbers != sorted(range(ISSUES), key=lambda n: (n % 4, n)):
        raise RuntimeError("the claims are not in the order of the queue")
