"""Rig's own duties, as rounds on durable timers: silent agents, issues that nobody claims, dependencies that stay broken.

Each duty is one timer of the store. It fires by a unit that deletes it and sets it again, so that rounds survive restarts and
any daemon may make them. A round reads a page at a time, and what it finds becomes commands that look once more.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator

import msgspec

from rig.actors.system import System
from rig.clock import Clock, Micros, iso
from rig.config import Settings
from rig.errors import RigError
from rig.ids import DEFAULT_TENANT
from rig.model import duties
from rig.model.call import Call
from rig.model.decide.duty import Command, Flag, TakeBack
from rig.model.duties import SECOND, Rounds, Watch
from rig.model.events import NewEvent, encode
from rig.model.health import HealthReport
from rig.model.states import WORKING
from rig.model.tables import AGENTS, ISSUES, LEASES, QUEUE, Query, R, Table
from rig.store.port import Snapshot, Store
from rig.store.units import Timer, Unit

log = logging.getLogger(__name__)

SILENT, UNCLAIMED, DEPENDENCIES = "duty:silent", "duty:unclaimed", "duty:dependencies"
PAGE = 200
"""Rows that one firing looks at."""

Finding = tuple[str, str, Command]
"""Tenant, issue, and what is to be done about it."""
_rounds = msgspec.json.Decoder(Rounds).decode
_watch = msgspec.json.Decoder(Watch).decode


class Duties:
    """Makes the rounds; ``fire`` is the handler of the timers of kind ``duty``."""

    def __init__(
        self,
        store: Store,
        system: System,
        clock: Clock,
        settings: Callable[[], Settings],
        health: Callable[[], Awaitable[HealthReport]],
    ) -> None:
        self._store = store
        self._system = system
        self._clock = clock
        self._settings = settings
        self._health = health

    async def begin(self, seen: Micros) -> None:
        """Set the timers after a start; ``seen`` is the newest instant that the log knew before it."""
        now = self._clock.now()
        standing = await self._store.read(_timers)
        set_: list[Timer] = []
        for key in (SILENT, UNCLAIMED, DEPENDENCIES):
            timer, interval = standing.get(key), self._interval(key)
            due = duties.first_due(timer.due if timer else None, now, interval)
            if key == DEPENDENCIES:
                set_.append(Timer(key, due, timer.payload if timer else encode(Watch())))
            else:
                before = _rounds(timer.payload) if timer else None
                set_.append(Timer(key, due, encode(duties.resume(before, seen, now, interval))))
        await self._store.commit(Unit(DEFAULT_TENANT, timers=tuple(set_), operation="duty"))

    def _interval(self, key: str) -> Micros:
        wanted = self._settings().duties
        seconds = {
            SILENT: wanted.stale_interval_seconds,
            UNCLAIMED: wanted.orphan_interval_seconds,
            DEPENDENCIES: wanted.dependency_interval_seconds,
        }
        return seconds[key] * SECOND

    async def fire(self, tenant: str, timer: Timer) -> object:
        """One timer is due. Raises Conflict when another daemon was first."""
        if timer.key == DEPENDENCIES:
            return await self._look(timer)
        rounds = _rounds(timer.payload)
        find = self._silent if timer.key == SILENT else self._unclaimed
        now = self._clock.now()
        findings, after = await self._store.read(lambda snapshot: find(snapshot, rounds, now))
        await asyncio.gather(*(self._do(*finding) for finding in findings))
        done = Rounds(since=rounds.since, last=self._clock.now(), after=after)
        due = done.last if after else done.last + self._interval(timer.key)
        return await self._again(timer, due, encode(done))

    async def _again(self, timer: Timer, due: Micros, payload: bytes, *events: NewEvent) -> object:
        """The unit that consumes a timer and sets it again."""
        unit = Unit(DEFAULT_TENANT, events, timers=(Timer(timer.key, due, payload),), timers_fired=(timer,), operation="duty")
        return await self._store.commit(unit)

    async def _do(self, tenant: str, issue: str, command: Command) -> None:
        try:
            await self._system.ask("issue", Call(tenant=tenant, operation="duty"), issue, command)
        except RigError as error:  # it is another by now, or the next round finds it again
            log.info("%s: %s", issue, error.message)

    # Silent agents (R0-58, R0-63)

    def _silent(self, snapshot: Snapshot, rounds: Rounds, now: Micros) -> tuple[list[Finding], tuple[str, str] | None]:
        wanted = self._settings().duties
        patience = duties.Patience(
            stuck=wanted.stale_after_seconds * SECOND,
            stuck_by_agent={name: seconds * SECOND for name, seconds in wanted.stale_after_by_agent.items()},
            reassign=wanted.reassign_after_seconds * SECOND,
        )
        found: list[Finding] = []
        page = _Page(snapshot, rounds.after)
        for tenant, key, issue in page.rows(ISSUES, (("state", "in", tuple(sorted(WORKING))),)):
            agent = snapshot.get(AGENTS, tenant, issue.agent) if issue.agent else None
            why = duties.judge_holder(issue, agent, patience, rounds.since, now)
            if why is None or issue.agent is None or _leased(snapshot, tenant, issue.agent):
                continue
            minutes = duties.silence(issue, agent, rounds.since, now) // (60 * SECOND)
            reason = f"{issue.agent} sent no heartbeat for {minutes} minutes"
            heard = snapshot.stream_version(tenant, issue.agent)
            found.append((tenant, key, TakeBack(agent=issue.agent, heard=heard, why=why, reason=reason)))
        return found, page.after

    # Issues that nobody claims (R0-64)

    def _unclaimed(self, snapshot: Snapshot, rounds: Rounds, now: Micros) -> tuple[list[Finding], tuple[str, str] | None]:
        wanted = self._settings().duties
        orphan, human = wanted.orphan_after_seconds * SECOND, wanted.needs_human_after_seconds * SECOND
        found: list[Finding] = []
        page = _Page(snapshot, rounds.after)
        for tenant, key, _ in page.rows(QUEUE, (("ready", "=", 1),)):
            issue = snapshot.get(ISSUES, tenant, key)
            if issue is None:
                continue
            blockers = [row for name in issue.depends_on if (row := snapshot.get(ISSUES, tenant, name)) is not None]
            since = duties.waits_since(issue, blockers, rounds.since)
            mark = duties.judge_waiting(issue, since, orphan, human, now)
            if mark is not None:
                reason = f"nobody claimed it since {iso(since)}"
                found.append((tenant, key, Flag(queued=issue.queued_sequence, mark=mark, reason=reason)))
        return found, page.after

    # Dependencies (R0-65)

    async def _look(self, timer: Timer) -> object:
        wanted = self._settings().duties
        report = await self._health()
        now, interval = self._clock.now(), self._interval(DEPENDENCIES)
        after, alarms = duties.watch(
            _watch(timer.payload),
            report,
            now,
            looks=wanted.dependency_looks,
            span=wanted.dependency_span_seconds * SECOND,
            interval=interval,
        )
        return await self._again(timer, now + interval, encode(after), *map(_alarm, alarms))


def newest_instant(snapshot: Snapshot) -> Micros:
    """When the newest event of the log happened; 0 for an empty log."""
    last = snapshot.log(snapshot.position - 1, 1)
    return last[0].at if last else 0


def _alarm(alarm: duties.Alarm) -> NewEvent:
    body: dict[str, object] = {"name": alarm.name, "since": iso(alarm.since)}
    if alarm.reason is None:
        return NewEvent("daemon", "dependency_recovered", encode(body))
    log.warning("the dependency %s stays broken: %s", alarm.name, alarm.reason)
    return NewEvent("daemon", "dependency_alarmed", encode(body | {"reason": alarm.reason, "looks": alarm.looks}))


def _timers(snapshot: Snapshot) -> dict[str, Timer]:
    """The duties' timers as they stand."""
    return {timer.key: timer for key in (SILENT, UNCLAIMED, DEPENDENCIES) if (timer := snapshot.timer(DEFAULT_TENANT, key))}


def _leased(snapshot: Snapshot, tenant: str, agent: str) -> bool:
    """Whether an agent keeps a lease alive, which says as much as a heartbeat."""
    return snapshot.count(Query(LEASES, tenant, (("state", "=", "live"), ("agent", "=", agent)))) > 0


class _Page:
    """A page of rows over all tenants; ``after`` says where the next begins, None once all were seen."""

    def __init__(self, snapshot: Snapshot, after: tuple[str, str] | None) -> None:
        self._snapshot = snapshot
        self._begin = after
        self.after: tuple[str, str] | None = None

    def rows(self, table: Table[R], where: tuple[tuple[str, str, object], ...]) -> Iterator[tuple[str, str, R]]:
        left = PAGE
        begin, key = self._begin or ("", None)
        for tenant in self._snapshot.tenants():
            if tenant < begin:
                continue
            found = self._snapshot.page(
                Query(table, tenant, where, limit=left, after_key=key if tenant == begin else None)  # type: ignore[arg-type]
            )
            for name, row in found:
                yield tenant, name, row
            left -= len(found)
            if not left:
                self.after = (tenant, found[-1][0])
                return
