"""Runs queued issues: hands them to the executor's free slots, keeps their leases, and cancels what lost its lease.

Everything it does goes through the log: a slot claims like any agent, and what a session reports becomes facts and commands.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from rig.actors.system import System
from rig.clock import Clock
from rig.config import Settings
from rig.errors import Conflict, RigError, StaleLease
from rig.ids import DEFAULT_TENANT, Ids
from rig.model.call import Call
from rig.model.decide import issue as commands
from rig.model.decide.held import lease_payload
from rig.model.events import NewEvent, encode
from rig.model.rows import ExecutionRow, IssueRow, LeaseRow, QueueRow, SteerRow
from rig.model.tables import EXECUTIONS, ISSUES, KEYS, LEASES, SEGMENTS, STEERS, STREAMS, Query
from rig.plugin.provider import Steer
from rig.reactors.gates import Gates
from rig.reactors.grants import Grants
from rig.store.port import Batch, Snapshot, Store
from rig.store.units import Claim, Committed, Timer, Unit
from rig.vault.keys import make_key
from rig.work.executor import Executor
from rig.work.order import Running, WorkOrder
from rig.work.segments import Segment

log = logging.getLogger(__name__)

AGENT = "rig-"
"""Names of the executor's agents: ``rig-1`` … one a slot."""
TOLD = 20
"""Newest words to earlier attempts that a session that begins afresh is given."""
CALL = Call(tenant=DEFAULT_TENANT, principal="system", operation="dispatch")


def agent_name(slot: int) -> str:
    """The agent that a slot works as."""
    return f"{AGENT}{slot}"


class Dispatch:
    """The reactor between queue and executor; ``run`` until cancelled."""

    def __init__(
        self,
        store: Store,
        system: System,
        executor: Executor,
        settings: Callable[[], Settings],
        grants: Callable[[str], Grants],
        gates: Gates,
        clock: Clock,
        ids: Ids,
    ) -> None:
        """``grants`` says what a provider's sessions get to see, and which secrets must not show; ``gates`` ask plugins."""
        self._store = store
        self._system = system
        self._executor = executor
        self._settings = settings
        self._grants = grants
        self._gates = gates
        self._clock = clock
        self._ids = ids
        self._news = asyncio.Event()
        self._running: dict[str, WorkOrder] = {}
        """By lease."""
        self._groups: dict[str, int] = {}
        self._limits: dict[str, str] = {}
        """By provider."""
        self._draining = False
        self._filling = asyncio.Lock()

    # Waking up

    def hear(self, batch: Batch) -> None:
        """A store listener: something may be claimed, or a lease of ours is no more."""
        for (tenant, table, key), row in batch.rows.items():
            if table == "queue" and isinstance(row, QueueRow) or table == "streams" and key.startswith(AGENT):
                self._news.set()
            elif table == "leases" and isinstance(row, LeaseRow) and row.state != "live" and key in self._running:
                self._executor.cancel(self._running[key].execution, row.reason or row.state)
            elif table == "steers" and isinstance(row, SteerRow) and row.state == "pending":
                for order in self._running.values():
                    if (order.tenant, order.issue) == (tenant, row.issue):  # one that has not begun yet finds it when it does
                        self._executor.steer(order.execution, Steer(row.id, row.message))

    def wake(self) -> None:
        """Look at the queue again: a slot is free, a wait is over, the configuration changed."""
        self._news.set()

    async def run(self) -> None:
        """Fill free slots whenever there may be work; keep leases alive beside it."""
        keeping = asyncio.create_task(self._keep_leases())
        try:
            while True:
                self._news.clear()
                try:
                    async with self._filling:
                        while await self._fill():
                            pass
                except RigError as error:
                    log.warning("dispatch waits a moment: %s", error.message)
                    await asyncio.sleep(1)
                    continue
                await self._news.wait()
        finally:
            keeping.cancel()

    async def stop(self) -> None:
        """Hand out nothing more, then end what runs as interrupted; their issues are queued again (I32)."""
        self._draining = True
        async with self._filling:
            pass  # what was claimed has begun
        await self._executor.shutdown()

    def groups(self) -> Mapping[str, int]:
        """Running executions with their newest process group, 0 where none has started yet."""
        return {o.execution: self._groups.get(o.execution, 0) for o in self._running.values()}

    def spawned(self, order: WorkOrder, process_group: int) -> None:
        """A program of an order has started."""
        self._groups[order.execution] = process_group

    # Handing out

    async def _fill(self) -> bool:
        """Claim for one free slot; False when there is no slot, no work, or dispatch is off."""
        settings = self._settings()
        busy = {order.agent for order in self._running.values()}
        limit = min(settings.executor.slots, settings.dispatch.max_concurrent)
        if not settings.dispatch.enabled or self._draining or len(busy) >= limit:
            return False
        free = [name for slot in range(1, limit + 1) if (name := agent_name(slot)) not in busy]
        agent = next((name for name in free if self._is_called(name)), free[0])
        lease = self._ids.uuid()
        claimed = await self._store.claim(
            Claim(
                DEFAULT_TENANT,
                agent,
                lease,
                self._ids.job(),
                settings.executor.lease_seconds,
                provider=settings.dispatch.provider,
                operation="dispatch",
            )
        )
        if claimed is None:
            return False
        await self._start(claimed, lease, agent, settings)
        return True

    def _is_called(self, agent: str) -> bool:
        """Whether something was assigned to this very slot."""
        stream = self._store.get(STREAMS, DEFAULT_TENANT, agent)
        return stream is not None and stream.waiting > 0

    async def _start(self, claimed: Committed, lease_id: str, agent: str, settings: Settings) -> None:
        lease, issue = claimed.rows["leases", lease_id], claimed.rows["issues", claimed.events[-1].stream]
        assert isinstance(lease, LeaseRow)
        assert isinstance(issue, IssueRow)
        execution, token = self._ids.uuid(), make_key(self._ids)
        key = {
            "id": f"attempt-{execution}",
            "name": f"attempt {issue.attempt} of {issue.stream}",
            "prefix": token.prefix,
            "digest": token.digest,
            "scopes": [],
            "executionId": execution,
            "issue": issue.stream,
            "leaseId": lease_id,
            "fence": lease.fence,
            "agentId": agent,
        }
        await self._commit(NewEvent("keys", "key_created", encode(key)))
        grants = self._grants(settings.dispatch.provider)
        before = await self._session_to_resume(issue)
        order = WorkOrder(
            execution=execution,
            job=lease.job,
            issue=issue.stream,
            agent=agent,
            lease=lease_id,
            fence=lease.fence,
            provider=settings.dispatch.provider,
            model=settings.dispatch.model or None,
            max_turns=settings.dispatch.max_turns,
            attempt=issue.attempt,
            repo=issue.repo,
            number=issue.number,
            title=issue.title,
            description=issue.description,
            labels=issue.labels,
            priority=issue.priority,
            url=issue.url,
            source=None if settings.workspace.repo or not issue.repo else f"https://github.com/{issue.repo}.git",
            environment={**grants.environment, "RIG_TOKEN": token.text, "RIG_LEASE": lease_id},
            secrets=grants.secrets,
            resume=before.session if before else None,
            home=before.home if before else None,
        )
        self._running[lease_id] = order  # also while plugins are asked: a lost lease is heard of, and the slot is taken
        order, veto, seconds = await self._gates.admit(order)
        if self._running.get(lease_id) is None:
            return
        if veto is not None:
            await self._give_back(order, veto, seconds)
            return
        self._running[lease_id] = order
        await self._beat(order)
        told = () if order.resume else await self._told(issue)
        self._executor.start(replace(order, steers=self._waiting_steers(order.issue), told=told))

    async def _give_back(self, order: WorkOrder, why: str, seconds: float) -> None:
        """Release what a plugin does not want run; the attempt does not count, as no work was begun."""
        release = commands.Release(
            reason=f"held back by {why}",
            lease=order.lease,
            fence=order.fence,
            retry_at=self._clock.now() + int(seconds * 1e6),
            counted=False,
        )
        try:
            await self._system.ask("issue", CALL, order.issue, release)
        except Conflict as error:
            log.info("%s was held back after its lease: %s", order.issue, error.message)
        await self._commit(NewEvent("keys", "key_revoked", encode({"id": f"attempt-{order.execution}"})))
        self.ended(order)

    async def _session_to_resume(self, issue: IssueRow) -> ExecutionRow | None:
        """The last execution of an issue, if its provider left a session to go on with."""

        def newest(snapshot: Snapshot) -> ExecutionRow | None:
            rows = snapshot.page(Query(EXECUTIONS, DEFAULT_TENANT, (("issue", "=", issue.stream),), ("-started_at",), 1))
            return rows[0][1] if rows else None

        row: ExecutionRow | None = await self._store.read(newest)
        return row if row is not None and row.status == "failed" and row.session and row.home else None

    def _waiting_steers(self, stream: str) -> tuple[Steer, ...]:
        """What was said to an issue's agent and reached none yet."""
        issue = self._store.get(ISSUES, DEFAULT_TENANT, stream)
        rows = [self._store.get(STEERS, DEFAULT_TENANT, key) for key in (issue.steers if issue is not None else ())]
        return tuple(Steer(row.id, row.message) for row in rows if row is not None)

    async def _told(self, issue: IssueRow) -> tuple[str, ...]:
        """What earlier attempts of an issue's job were told, oldest first: a session that begins afresh knows nothing of it."""

        def newest(snapshot: Snapshot) -> list[SteerRow]:
            query = Query(STEERS, DEFAULT_TENANT, (("issue", "=", issue.stream),), ("-requested_sequence",), TOLD)
            return [row for _, row in snapshot.page(query)]

        rows: list[SteerRow] = await self._store.read(newest)
        return tuple(row.message for row in reversed(rows) if row.state == "delivered" and row.job == issue.job)

    async def _beat(self, order: WorkOrder) -> None:
        """A slot is an agent like any other: it says that it lives, with what, and at what (R0-33)."""
        limits = self._limits.get(order.provider)
        said = {
            "agentId": order.agent,
            "status": "working",
            "currentIssue": order.number,
            "currentRepo": order.repo,
            "activeProvider": order.provider,
            "availableProviders": [order.provider],
            "providers": [{"name": order.provider, "status": "ready", "details": limits, "active": True}] if limits else None,
        }
        try:
            await self._commit(NewEvent(order.agent, "heartbeat", encode({k: v for k, v in said.items() if v is not None})))
        except RigError as error:
            log.warning("the heartbeat of %s was not stored: %s", order.agent, error.message)

    async def limits(self, order: WorkOrder, text: str) -> None:
        """How much of its account's limits a provider says is used: shown with every slot that works with it from now on."""
        self._limits[order.provider] = text
        await self._beat(order)

    def ended(self, order: WorkOrder) -> None:
        """An order is over and reported: its slot is free."""
        self._running.pop(order.lease, None)
        self._groups.pop(order.execution, None)
        self.wake()

    # Leases

    async def _keep_leases(self) -> None:
        """Move the timers of all running orders, three times in a lease's life."""
        while True:
            await asyncio.sleep(self._settings().executor.lease_seconds / 3)
            seconds = self._settings().executor.lease_seconds
            due = self._clock.now() + seconds * 1_000_000
            for order in list(self._running.values()):
                await self._beat(order)
                timer = Timer(f"lease:{order.lease}", due, lease_payload(order.issue, order.fence))
                try:
                    await self._store.commit(Unit(order.tenant, timers=(timer,), fences=((order.lease, order.fence),)))
                except StaleLease:
                    self._executor.cancel(order.execution, "the lease was lost")
                except RigError as error:
                    log.warning("the lease of %s could not be kept: %s", order.issue, error.message)

    # After a start

    async def recover(self) -> None:
        """What a killed daemon left: end its processes, seal its logs, give its issues back at once (I11)."""

        def left(snapshot: Snapshot) -> list[tuple[LeaseRow, ExecutionRow | None]]:
            live = snapshot.page(Query(LEASES, DEFAULT_TENANT, (("state", "=", "live"),), limit=100_000))
            mine = [lease for _, lease in live if lease.agent.startswith(AGENT)]
            return [(lease, _execution_of(lease, snapshot)) for lease in mine]

        found: list[tuple[LeaseRow, ExecutionRow | None]] = await self._store.read(left)
        runs = [Running(e.id, e.process_group, e.process_started, e.home) for _, e in found if e is not None]
        recovered = await self._executor.recover(runs)
        unproven = {r.execution for r in recovered if not r.ended}
        streams = {e.id: lease.issue for lease, e in found if e is not None}
        for segment in (s for r in recovered for s in r.segments):
            await self._seal(streams[segment.execution], segment)
        for lease, execution in found:
            if execution is not None and execution.id in unproven:
                log.error("processes of execution %s could not be ended; its issue is not handed out again", execution.id)
            retry = None if execution is not None and execution.id in unproven else self._clock.now()
            fail = commands.Fail(
                agent=lease.agent,
                lease=lease.id,
                fence=lease.fence,
                reason=INTERRUPTED,
                retry_at=retry,
                session=execution.session if execution is not None else None,
                home=execution.home if execution is not None else None,
            )
            try:
                await self._system.ask("issue", CALL, lease.issue, fail)
            except Conflict as error:
                log.warning("%s: %s", lease.issue, error.message)
        await self._revoke_keys_of_the_dead()

    async def _seal(self, issue: str, segment: Segment) -> None:
        """Tell of a segment that the killed daemon may have sealed without telling."""
        if self._store.get(SEGMENTS, DEFAULT_TENANT, f"{segment.execution}\n{segment.first:010d}") is None:
            await self._commit(NewEvent(issue, "log_sealed", encode(sealed_body(segment))))

    async def _revoke_keys_of_the_dead(self) -> None:
        def dead(snapshot: Snapshot) -> list[str]:
            return [key for key, _ in snapshot.page(Query(KEYS, DEFAULT_TENANT, (("live_execution", ">", ""),), limit=100_000))]

        for key_id in await self._store.read(dead):
            await self._commit(NewEvent("keys", "key_revoked", encode({"id": key_id})))

    async def _commit(self, *events: NewEvent) -> Committed:
        return await self._store.commit(Unit(DEFAULT_TENANT, events, operation="dispatch"))


def sealed_body(segment: Segment) -> dict[str, object]:
    """The body of ``log_sealed``."""
    return {
        "executionId": segment.execution,
        "first": segment.first,
        "lines": segment.lines,
        "bytes": segment.bytes,
        "digest": segment.digest,
    }


def _execution_of(lease: LeaseRow, snapshot: Snapshot) -> ExecutionRow | None:
    issue = snapshot.get(ISSUES, DEFAULT_TENANT, lease.issue)
    return snapshot.get(EXECUTIONS, DEFAULT_TENANT, issue.execution) if issue is not None and issue.execution else None


INTERRUPTED = "interrupted: the daemon stopped"
"""Reason of an execution that a stop of the daemon ended."""
