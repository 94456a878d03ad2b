"""Work orders: what the next execution of a claimed issue is given to work with."""

from collections.abc import Callable
from dataclasses import replace

from rig.config import Settings
from rig.ids import DEFAULT_TENANT, Ids
from rig.model.events import NewEvent, encode
from rig.model.rows import ExecutionRow, IssueRow, LeaseRow, SteerRow
from rig.model.tables import EXECUTIONS, ISSUES, STEERS, Query
from rig.plugin.provider import Steer
from rig.reactors.grants import Grants
from rig.store.port import Snapshot, Store
from rig.store.units import Committed, Unit
from rig.vault.keys import make_key
from rig.work.order import WorkOrder

TOLD = 20
"""Newest words to earlier attempts that a session that begins afresh is given."""


class Orders:
    """Makes the orders of a daemon."""

    def __init__(self, store: Store, grants: Callable[[str], Grants], ids: Ids) -> None:
        self._store = store
        self.grants = grants
        """What a provider's sessions get to see, and which secrets must not show; raises NotFound where one of them is missing."""
        self._ids = ids

    async def make(self, claimed: Committed, lease_id: str, agent: str, settings: Settings, grants: Grants) -> WorkOrder:
        """The order for what an agent has claimed, with a key that is valid for this execution only."""
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
        created = NewEvent("keys", "key_created", encode(key))
        await self._store.commit(Unit(DEFAULT_TENANT, (created,), operation="dispatch"))
        before = await self._session_to_resume(issue)
        return WorkOrder(
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

    async def with_words(self, order: WorkOrder) -> WorkOrder:
        """The order with what people have said to the issue's agent by now."""
        told = () if order.resume else await self._told(order)
        return replace(order, steers=self._waiting_steers(order.issue), told=told)

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

    async def _told(self, order: WorkOrder) -> tuple[str, ...]:
        """What earlier attempts of a job were told, oldest first: a session that begins afresh knows nothing of it."""

        def newest(snapshot: Snapshot) -> list[SteerRow]:
            query = Query(STEERS, DEFAULT_TENANT, (("issue", "=", order.issue),), ("-requested_sequence",), TOLD)
            return [row for _, row in snapshot.page(query)]

        rows: list[SteerRow] = await self._store.read(newest)
        return tuple(row.message for row in reversed(rows) if row.state == "delivered" and row.job == order.job)
