"""A store whose commits a test can hold and spoil, and a kind of actor that counts and so shows every lost update."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import msgspec

from rig.actors.kind import Kind
from rig.errors import Conflict
from rig.model.call import Call
from rig.model.decide.base import Context, Decision, TimerChange
from rig.model.events import Event, NewEvent, encode
from rig.model.folds.issue import step
from rig.model.rows import IssueRow
from rig.model.tables import ISSUES, R, Table
from rig.store.memory import open_memory
from rig.store.port import Listener, Snapshot
from rig.store.units import Claim, Committed, Unit

ISSUE = "acme/app#1"


class HeldStore:
    """The store in memory; commits wait while ``hold`` is cleared, and ``spoil`` may replace units on their way."""

    def __init__(self) -> None:
        self._inner = open_memory()
        self.open = asyncio.Event()
        self.open.set()
        self.turns: list[Sequence[Unit]] = []
        """What was given to ``commit_many``, call by call."""
        self.spoil: Callable[[Sequence[Unit]], Sequence[Unit]] = lambda units: units
        self.fail: BaseException | None = None
        """Raised by the next ``commit_many``."""
        self.then: Unit | None = None
        """Someone else's unit, stored after that of the next ``commit_many`` and before its answer."""

    @property
    def writable(self) -> bool:
        return self._inner.writable

    async def commit(self, unit: Unit) -> Committed:
        return await self._inner.commit(unit)

    async def commit_many(self, units: Sequence[Unit]) -> list[Committed | Exception]:
        self.turns.append(units)
        await self.open.wait()
        if self.fail is not None:
            error, self.fail = self.fail, None
            raise error
        results = await self._inner.commit_many(self.spoil(units))
        if self.then is not None:
            unit, self.then = self.then, None
            await self._inner.commit(unit)
        return results

    async def claim(self, claim: Claim) -> Committed | None:
        return await self._inner.claim(claim)

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        return self._inner.snapshot()

    async def read(self, job: Callable[[Snapshot], Any]) -> Any:
        return await self._inner.read(job)

    def get(self, table: Table[R], tenant: str, key: str) -> R | None:
        return self._inner.get(table, tenant, key)

    def listen(self, listener: Listener) -> Callable[[], None]:
        return self._inner.listen(listener)

    def tail(self, after_position: int) -> AsyncIterator[Sequence[Event]]:
        return self._inner.tail(after_position)

    async def close(self) -> None:
        self.open.set()
        await self._inner.close()

    def stream(self, key: str) -> list[Event]:
        with self.snapshot() as snapshot:
            return snapshot.stream("default", key)

    def count(self, key: str = ISSUE) -> int:
        """What the log says: how often was counted."""
        row = self.get(ISSUES, "default", key)
        return number(row)


@dataclass(frozen=True)
class Count:
    """Add one; ``only_from`` refuses unless that is where the count stands."""

    only_from: int | None = None
    timer: TimerChange | None = None


@dataclass(frozen=True)
class Break:
    """Raise out of the decision."""

    error: BaseException


def number(row: IssueRow | None) -> int:
    return int(row.branch or 0) if row else 0


def counted(to: int, key: str = ISSUE) -> NewEvent:
    return NewEvent(key, "branch_created", encode({"branch": str(to)}))


def decide(row: IssueRow | None, command: Any, context: Context) -> Decision:
    if isinstance(command, Break):
        raise command.error
    if callable(command):
        return Decision() if command(row, context) is None else Decision((counted(number(row) + 1, context.stream),))
    assert isinstance(command, Count)
    if command.only_from is not None and number(row) != command.only_from:
        raise Conflict(f"it stands at {number(row)}")
    timers = () if command.timer is None else (command.timer,)
    return Decision((counted(number(row) + 1, context.stream),), timers=timers)


def fold(row: IssueRow | None, event: Event) -> IssueRow | None:
    return step(row, event, msgspec.json.decode(event.body))[0]


COUNTER = Kind("issue", ISSUES, decide, fold)
CALL = Call(principal="local", operation="count")


def keyed(key: str, digest: bytes = b"1") -> Call:
    """A call with an Idempotency-Key."""
    return msgspec.structs.replace(CALL, idempotency_scope=key, idempotency_digest=digest)
