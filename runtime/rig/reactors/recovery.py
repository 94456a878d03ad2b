"""What a killed daemon left: its processes are ended, its logs sealed, its keys revoked, and its issues given back at once (I11)."""

import logging

from rig.actors.system import System
from rig.clock import Clock
from rig.errors import Conflict
from rig.ids import DEFAULT_TENANT
from rig.model.decide import issue as commands
from rig.model.events import NewEvent, encode
from rig.model.rows import ExecutionRow, LeaseRow
from rig.model.tables import EXECUTIONS, ISSUES, KEYS, LEASES, SEGMENTS, Query
from rig.reactors.dispatch import CALL
from rig.reactors.presence import AGENT, Presence
from rig.reactors.reporting import INTERRUPTED, sealed_body
from rig.store.port import Snapshot, Store
from rig.store.units import Unit
from rig.work.executor import Executor
from rig.work.order import Running
from rig.work.segments import Segment

log = logging.getLogger(__name__)


class Recovery:
    """Run once after a start, before anything is handed out."""

    def __init__(self, store: Store, system: System, executor: Executor, presence: Presence, clock: Clock) -> None:
        self._store = store
        self._system = system
        self._executor = executor
        self._presence = presence
        self._clock = clock

    async def run(self) -> None:
        """An issue whose processes can't be shown to have ended keeps waiting: two agents never work on one."""
        found: list[tuple[LeaseRow, ExecutionRow | None]] = await self._store.read(_left)
        runs = [Running(e.id, e.process_group, e.process_started, e.home) for _, e in found if e is not None]
        recovered = await self._executor.recover(runs)
        unproven = {r.execution for r in recovered if not r.ended}
        streams = {e.id: lease.issue for lease, e in found if e is not None}
        for segment in (s for r in recovered for s in r.segments):
            await self._seal(streams[segment.execution], segment)
        for lease, execution in found:
            await self._give_back(lease, execution, execution is None or execution.id not in unproven)
            await self._presence.left(lease.agent)
        for key in await self._store.read(_keys_of_the_dead):
            await self._commit(NewEvent("keys", "key_revoked", encode({"id": key})))

    async def _give_back(self, lease: LeaseRow, execution: ExecutionRow | None, ended: bool) -> None:
        if execution is not None and not ended:
            log.error("processes of execution %s could not be ended; its issue is not handed out again", execution.id)
        fail = commands.Fail(
            agent=lease.agent,
            lease=lease.id,
            fence=lease.fence,
            reason=INTERRUPTED,
            retry_at=self._clock.now() if ended else None,
            session=execution.session if execution is not None else None,
            home=execution.home if execution is not None else None,
        )
        try:
            await self._system.ask("issue", CALL, lease.issue, fail)
        except Conflict as error:
            log.warning("%s: %s", lease.issue, error.message)

    async def _seal(self, issue: str, segment: Segment) -> None:
        """Tell of a segment that the killed daemon may have sealed without telling."""
        if self._store.get(SEGMENTS, DEFAULT_TENANT, f"{segment.execution}\n{segment.first:010d}") is None:
            await self._commit(NewEvent(issue, "log_sealed", encode(sealed_body(segment))))

    async def _commit(self, event: NewEvent) -> None:
        await self._store.commit(Unit(DEFAULT_TENANT, (event,), operation="dispatch"))


def _left(snapshot: Snapshot) -> list[tuple[LeaseRow, ExecutionRow | None]]:
    """The leases of the executor's agents, each with what it was used for."""
    live = snapshot.page(Query(LEASES, DEFAULT_TENANT, (("state", "=", "live"),), limit=100_000))
    return [(lease, _execution_of(lease, snapshot)) for _, lease in live if lease.agent.startswith(AGENT)]


def _execution_of(lease: LeaseRow, snapshot: Snapshot) -> ExecutionRow | None:
    issue = snapshot.get(ISSUES, DEFAULT_TENANT, lease.issue)
    return snapshot.get(EXECUTIONS, DEFAULT_TENANT, issue.execution) if issue is not None and issue.execution else None


def _keys_of_the_dead(snapshot: Snapshot) -> list[str]:
    return [key for key, _ in snapshot.page(Query(KEYS, DEFAULT_TENANT, (("live_execution", ">", ""),), limit=100_000))]
