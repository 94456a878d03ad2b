"""Agents that work for a daemon at random and write down all that they see; alone, or as a process that may be killed.

``python -m tests.acceptance.claimers`` reads one JSON object from stdin: ``url``, ``record`` (a file) and ``claimers``, a list of
``{agent, key, seed}``. It works until it is killed. What was written to the file before that is whole but for its last line.
"""

import asyncio
import json
import random
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from rig.client import Client, Target
from rig.errors import OutcomeUnknown, RigError, StaleLease, Unreachable, WaitedTooLong
from tests.checkers.history import Call
from tests.checkers.leases import micros

PAUSE = 0.05
"""Seconds between two tries at a daemon that is away."""
GIVES_UP = 0.3
"""Share of the broken requests that are not repeated."""


class Record:
    """A file of calls, two lines each: what is asked before it is sent, and what came of it once it is known."""

    def __init__(self, file: Path) -> None:
        self._out = file.open("ab", buffering=0)
        self._next = 0

    def sent(self, **call: Any) -> int:
        self._next += 1
        self._write({"call": self._next, "sent": time.monotonic(), **call})
        return self._next

    def got(self, number: int, **answer: Any) -> None:
        self._write({"call": number, "got": time.monotonic(), **answer})

    def close(self) -> None:
        self._out.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        self._out.write(json.dumps(line).encode() + b"\n")


def read_record(file: Path) -> list[Call]:
    """The calls of a file, also of one whose writer was killed."""
    found: dict[int, dict[str, Any]] = {}
    *whole, _ = file.read_bytes().split(b"\n")
    for line in whole:
        said = json.loads(line)
        found.setdefault(said.pop("call"), {}).update(said)
    return [Call(**call) for call in found.values()]


@dataclass(frozen=True)
class Held:
    """A lease as its holder knows it."""

    issue: str
    lease: str
    fence: int
    agent: str
    seconds: int

    @property
    def named(self) -> dict[str, Any]:
        return {"issue": self.issue, "lease": self.lease, "fence": self.fence}

    @property
    def fact(self) -> dict[str, Any]:
        repo, _, number = self.issue.partition("#")
        return {"repo": repo, "issueNumber": int(number), "agentId": self.agent, "leaseId": self.lease, "fence": self.fence}


class Claimer:
    """One agent: claims, works a little, ends it one way or another, and now and then does what it may not."""

    def __init__(self, url: str, key: str, agent: str, seed: str, record: Record) -> None:
        self.agent = agent
        self._client = Client(Target(url, token=key))
        self._dice = random.Random(seed)
        self._record = record
        self._had: list[Held] = []

    async def run(self) -> None:
        """Work until cancelled."""
        plans = [self._work, self._finish_twice, self._release, self._fail, self._abandon, self._overstay, self._keep]
        async with self._client:
            while True:
                held = await self._claim()
                if held is not None:
                    (plan,) = self._dice.choices(plans, [60, 10, 10, 10, 4, 3, 3])
                    await plan(held)
                    self._had = [*self._had[-20:], held]
                if self._had and self._dice.random() < 0.2:
                    await self._do_what_it_may_not()

    # Plans

    async def _work(self, held: Held) -> None:
        await self._say("start", "WORK_STARTED", held)
        for _ in range(self._dice.randrange(3)):
            await asyncio.sleep(self._dice.random() * 0.05)
            await self._heartbeat(held)
        await self._finish(held)

    async def _finish_twice(self, held: Held) -> None:
        await self._finish(held)
        await self._finish(held)

    async def _release(self, held: Held) -> None:
        await self._say("release", "ISSUE_UNASSIGNED", held)

    async def _fail(self, held: Held) -> None:
        await self._end("fail", held)

    async def _abandon(self, held: Held) -> None:
        """Do nothing about it: it expires."""

    async def _overstay(self, held: Held) -> None:
        """Come back about when it expires."""
        await asyncio.sleep(held.seconds * (0.9 + 0.4 * self._dice.random()))
        await self._heartbeat(held)
        await self._finish(held)

    async def _keep(self, held: Held) -> None:
        """Work for longer than the lease was given, with heartbeats in time."""
        for _ in range(4):
            await asyncio.sleep(held.seconds * 0.4)
            await self._heartbeat(held)
        await self._finish(held)

    async def _do_what_it_may_not(self) -> None:
        """Use a lease that it had, mostly long ago, or one that never was."""
        held = self._dice.choice(self._had)
        forged = self._dice.random() < 0.3
        if forged:
            held = Held(held.issue, held.lease, held.fence + self._dice.choice([-1, 1]), held.agent, held.seconds)
        match self._dice.randrange(6):
            case 0:
                await self._heartbeat(held, forged)
            case 1:
                await self._end("complete", held, forged)
            case 2:
                await self._end("fail", held, forged)
            case 3:
                await self._say("start", "WORK_STARTED", held, forged)
            case 4:
                await self._say("release", "ISSUE_UNASSIGNED", held, forged)
            case _:
                await self._say("done", "ISSUE_DONE", held, forged)

    async def _finish(self, held: Held) -> None:
        if self._dice.random() < 0.8:
            await self._end("complete", held)
        else:
            await self._say("done", "ISSUE_DONE", held)

    # Requests

    async def _claim(self) -> Held | None:
        seconds = self._dice.randint(1, 2)
        number = self._record.sent(agent=self.agent, kind="claim")
        status, code, answer = await self._ask("claim_assignment", agentId=self.agent, leaseSeconds=seconds, wait=1)
        if status is None:
            return None
        if status != 200:
            self._record.got(number, status=status, code=code)
            return None
        lease = answer["lease"]
        held = Held(answer["streamId"], lease["id"], lease["fence"], self.agent, seconds)
        self._record.got(number, status=status, expires=micros(lease["expiresAt"]), **held.named)
        return held

    async def _heartbeat(self, held: Held, forged: bool = False) -> None:
        await self._prove("heartbeat", "heartbeat_lease", held, forged, id=held.lease, agentId=self.agent, fence=held.fence)

    async def _end(self, kind: str, held: Held, forged: bool = False) -> None:
        await self._prove(kind, f"{kind}_lease", held, forged, id=held.lease, agentId=self.agent, fence=held.fence)

    async def _say(self, kind: str, type_: str, held: Held, forged: bool = False) -> None:
        await self._prove(kind, "post_event", held, forged, type=type_, **held.fact)

    async def _prove(self, kind: str, operation: str, held: Held, forged: bool, **params: Any) -> None:
        number = self._record.sent(agent=self.agent, kind=kind, forged=forged, **held.named)
        status, code, answer = await self._ask(operation, **params)
        if status is not None:
            expires = micros(answer["expiresAt"]) if kind == "heartbeat" and status == 200 else 0
            self._record.got(number, status=status, code=code, expires=expires)

    async def _ask(self, operation: str, **params: Any) -> tuple[int | None, str, Any]:
        """(status, code, answer). What the daemon's end cut off is asked again under its key, or it stays unknown: None."""
        key = str(uuid.UUID(int=self._dice.getrandbits(128), version=4))
        while True:
            try:
                answer = await self._client.call(operation, headers={"Idempotency-Key": key}, **params)
                return (204 if answer is None else 200), "", answer
            except StaleLease as refused:
                return refused.http_status, refused.code, None
            except (Unreachable, OutcomeUnknown, WaitedTooLong):
                if self._dice.random() < GIVES_UP:
                    return None, "", None
            except RigError as refused:
                if refused.http_status != 503:
                    return refused.http_status, refused.code, None
            await asyncio.sleep(PAUSE)


async def work(url: str, record: Record, claimers: Sequence[Mapping[str, str]]) -> None:
    """Run claimers side by side until cancelled."""
    async with asyncio.TaskGroup() as group:
        for each in claimers:
            group.create_task(Claimer(url, each["key"], each["agent"], each["seed"], record).run())


def main() -> None:
    told = msgspec.json.decode(sys.stdin.buffer.read())
    asyncio.run(work(told["url"], Record(Path(told["record"])), told["claimers"]))


if __name__ == "__main__":
    main()
