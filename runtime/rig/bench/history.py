"""A store as long use leaves it: ninety days of issues from approval to their end, with agents, leases, jobs and costs.

Written through the store's own commits and claims, a thousand at a time, on a clock that is moved by hand; what a store of one
size holds follows from the size alone.
"""

import asyncio
import random
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec

from rig.clock import ManualClock, SystemClock
from rig.ids import SeededIds
from rig.model import facts
from rig.model.events import NewEvent, encode
from rig.model.folds.usage import tokens_of
from rig.model.rows import LeaseRow
from rig.prices import PriceBook
from rig.store.log import Log
from rig.store.opening import open_sqlite
from rig.store.units import Claim, Committed, Idempotency, Outcome, Timer, Unit

TENANT = "default"
AGENTS, REPOS = 100, 50
EVENTS_AN_ISSUE = 10
DAYS = 90
BUSY_DAY = 0.05
"""Share of the history that lies in its last day, whose idempotency keys are still remembered."""
ROUND = 250
"""Issues that are approved at once, and so about the claims of one batch."""
LONG = 30 * 24 * 3600
"""Seconds of a lease, so that those which live in a kept store still do when it is measured."""
MODELS = ("claude-sonnet-4-5", "claude-opus-4-1", "gpt-5", "gpt-5-mini")
PRIORITIES, SHARES = ("critical", "high", "normal", "low"), (3, 17, 50, 30)
ENDS = {
    "done": 76,
    "failed": 5,
    "cancelled": 4,
    "released": 5,
    "assigned": 1,
    "in_review": 4,
    "deploying": 2,
    "retry": 2,
    "working": 1,
}
"""What becomes of a claim, in percent."""
STEPS = 9
"""At most, how often the clock is moved in a round."""
LEFT = 0.15
"""Share of what is approved that nobody takes."""


def repo(number: int) -> str:
    """The repository of issue ``number`` (from 0)."""
    return f"acme/service-{number % REPOS:02d}"


def stream(number: int) -> str:
    """The issue ``number`` (from 0)."""
    return f"{repo(number)}#{number // REPOS + 1}"


def agent(number: int) -> str:
    """One of the agents."""
    return f"agent-{number % AGENTS:02d}"


class Made(msgspec.Struct, frozen=True):
    """How the making went."""

    events: int
    issues: int
    seconds: float
    """0 for a store that was there already."""


async def make(directory: Path, events: int) -> Made:
    """Fill a data directory that holds no store yet with ``events`` events of a tenth as many issues."""
    began = perf_counter()
    clock = ManualClock(SystemClock().now() - DAYS * 86400 * 1_000_000)
    log = open_sqlite(directory, clock=clock, ids=SeededIds(events)).log
    try:
        history = _History(log, clock, events)
        await history.run()
    finally:
        await log.close()
    return Made(history.stored, history.issues, perf_counter() - began)


class _History:
    """The rounds of a history: approve, claim, work, end, and heartbeats that make up the number."""

    def __init__(self, log: Log, clock: ManualClock, events: int) -> None:
        self._log = log
        self._clock = clock
        self._events = events
        self._random = random.Random(events)
        self._prices = PriceBook()
        self._keyed = False
        self._requests = 0
        self.issues = max(1, events // EVENTS_AN_ISSUE)
        self.stored = 0

    async def run(self) -> None:
        rounds = [range(at, min(at + ROUND, self.issues)) for at in range(0, self.issues, ROUND)]
        busy = max(1, round(len(rounds) * BUSY_DAY))
        old = max(1, len(rounds) - busy)
        for number, issues in enumerate(rounds):
            self._keyed = number >= old
            seconds = 86400 / busy if self._keyed else (DAYS - 1) * 86400 / old
            await self._round(issues, seconds / STEPS)
            await self._heartbeats(round(self._events * (number + 1) / len(rounds)) - self.stored)

    async def _round(self, issues: Sequence[int], step: float) -> None:
        await self._commit(self._approval(n) for n in issues)
        self._clock.advance(step)
        claims = await asyncio.gather(*(self._log.claim(self._claim()) for _ in range(round(len(issues) * (1 - LEFT)))))
        self._clock.advance(step)
        lives = []
        for committed in claims:
            if committed is not None:
                self.stored += len(committed.events)
                lives.append(self._life(committed))
        while lives:  # a stage of each, then the next
            stages = [(life, next(life, None)) for life in lives]
            await self._commit(unit for _, stage in stages if stage is not None for unit in stage)
            self._clock.advance(step)
            lives = [life for life, stage in stages if stage is not None]

    async def _heartbeats(self, count: int) -> None:
        for at in range(0, count, 500):
            await self._commit(self._heartbeat() for _ in range(min(500, count - at)))

    async def _commit(self, units: Iterable[Unit]) -> None:
        for result in await self._log.commit_many(list(units)):
            if isinstance(result, Exception):
                raise result
            self.stored += len(result.events)

    # What clients send

    def _unit(self, *bodies: dict[str, Any], timers: tuple[Timer, ...] = ()) -> Unit:
        return self._of([self._fact(body) for body in bodies], timers)

    def _of(self, events: Sequence[NewEvent], timers: tuple[Timer, ...] = ()) -> Unit:
        self._requests += 1
        unit = Unit(
            TENANT,
            tuple(events),
            principal="bench",
            operation="post_event",
            request_id=f"request-{self._requests:012d}",
            timers=timers,
        )
        if not self._keyed:
            return unit
        key = sha256(b"%d" % self._requests).digest()
        idempotency = Idempotency(f"{TENANT}\nbench\nPOST\n/api/events\n{key.hex()}", key)
        return msgspec.structs.replace(unit, idempotency=idempotency, outcome=_answer)

    def _fact(self, body: dict[str, Any]) -> NewEvent:
        fact = facts.parse(body)
        if fact.type.name != "token_usage":
            return NewEvent(fact.stream, fact.type.name, encode(fact.body))
        cost = self._prices.cost(fact.body["model"], tokens_of(fact.body), fact.body.get("costUsd"))
        return NewEvent(fact.stream, fact.type.name, encode(fact.body), encode({"cost": cost}))

    def _approval(self, number: int) -> Unit:
        dice = self._random
        body: dict[str, Any] = {
            "type": "ISSUE_APPROVED",
            "repo": repo(number),
            "issueNumber": number // REPOS + 1,
            "title": f"The form of page {number} forgets what was typed",
            "description": "Steps: open the form, type a name, press back. Expected: the name is still there.",
            "priority": dice.choices(PRIORITIES, SHARES)[0],
            "labels": ["bug", "agent"],
        }
        if number and dice.random() < 0.06:
            body["dependsOn"] = sorted({stream(max(0, number - dice.randint(1, 2000))) for _ in range(dice.randint(1, 2))})
        if number > 10 and dice.random() < 0.03:
            body["parent"] = stream(number - number % 10)
        if body.get("parent") == stream(number):
            del body["parent"]
        events = [self._fact(body)]
        if dice.random() < 0.005:
            named = {k: body[k] for k in ("repo", "issueNumber")}
            events.append(self._fact({"type": "ISSUE_NEEDS_HUMAN", **named, "reason": "which form is meant?"}))
        return self._of(events)

    def _claim(self) -> Claim:
        ids = self._random
        lease = f"{ids.getrandbits(128):032x}"
        return Claim(TENANT, agent(ids.randrange(AGENTS)), lease, f"job-{ids.getrandbits(40):013d}", LONG, provider="claude")

    def _heartbeat(self) -> Unit:
        dice = self._random
        return self._unit(
            {
                "type": "HEARTBEAT",
                "agentId": agent(dice.randrange(AGENTS)),
                "status": "working",
                "activeProvider": "claude",
                "availableProviders": ["claude", "codex"],
                "uptimeSeconds": dice.randrange(10**6),
                "memoryMB": 512,
            }
        )

    def _life(self, claimed: Committed) -> Iterator[list[Unit]]:
        """What an agent reports of a claim, a stage at a time."""
        dice = self._random
        ((_, lease),) = ((key, row) for key, row in claimed.rows.items() if key[0] == "leases")
        assert isinstance(lease, LeaseRow)
        assigned = msgspec.json.decode(claimed.events[-1].body)
        who = {"repo": assigned["repo"], "issueNumber": assigned["issueNumber"], "agentId": lease.agent}
        issue = {"repo": assigned["repo"], "issueNumber": assigned["issueNumber"]}
        over = (Timer(f"lease:{lease.id}", None),)
        end = dice.choices(tuple(ENDS), tuple(ENDS.values()))[0]
        if end == "assigned":
            return
        model = dice.choice(MODELS)
        start = {"type": "WORK_STARTED", **who, "branch": f"agent/issue-{issue['issueNumber']}", "provider": "claude"}
        yield [self._unit(start | {"model": model}), self._unit(self._usage(who, model))]
        yield [self._unit(self._usage(who, model))]
        if end == "working":
            return
        if end == "released":
            yield [self._unit({"type": "ISSUE_UNASSIGNED", **who, "reason": "released"}, timers=over)]
            return
        if end == "retry":
            retry = self._clock.now() + LONG * 1_000_000
            body = {**who, "leaseId": lease.id, "fence": lease.fence, "reason": "the tests fail", "retryAt": retry}
            yield [self._of([NewEvent(lease.issue, "work_failed", encode(body))], over)]
            return
        if end in ("failed", "cancelled"):
            kind = {"failed": "ESCALATED", "cancelled": "ISSUE_CANCELLED"}[end]
            yield [self._unit({"type": kind, **issue, "reason": "not worth it"}, timers=over)]
            return
        number = dice.randrange(1, 10**6)
        yield [self._unit({"type": "PR_CREATED", **issue, "prNumber": number, "prUrl": f"https://example.org/pull/{number}"})]
        if end == "in_review":
            return
        yield [self._unit({"type": "CI_PASSED", **issue}, {"type": "REVIEW_PASSED", **issue})]
        yield [self._unit({"type": "MERGED", **issue, "mergeSha": f"{dice.getrandbits(160):040x}"}, timers=over)]
        if end == "done":
            yield [self._unit({"type": "ISSUE_DONE", **who})]

    def _usage(self, who: dict[str, Any], model: str) -> dict[str, Any]:
        dice = self._random
        return {
            "type": "TOKEN_USAGE",
            **who,
            "model": model,
            "inputTokens": dice.randrange(5000),
            "outputTokens": dice.randrange(2000),
            "cacheReadTokens": dice.randrange(200_000),
            "cacheCreationTokens": dice.randrange(10_000),
            "costUsd": dice.randrange(10**6) / 10**6,
        }


def _answer(committed: Committed) -> Outcome:
    """What POST /api/events answers, as long as that."""
    event = committed.events[0]
    return Outcome(
        200, encode({"streamId": event.stream, "type": event.type, "timestamp": event.at, "sequence": event.sequence})
    )
