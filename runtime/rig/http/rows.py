"""Changed rows as the lists show them, for the ``row`` frames of the event stream."""

from collections.abc import Callable
from typing import Any

from rig.clock import Clock
from rig.model.rows import AgentRow, IssueRow, JobRow, QueueRow
from rig.model.tables import ISSUES
from rig.store.port import Store
from rig.wire import views


def row_encoder(store: Store, clock: Clock) -> Callable[[str, str, str, Any], Any]:
    """What ``rig.bus.Bus`` encodes rows with: (tenant, view, key, row) to the row of that list."""

    def encode(tenant: str, view: str, key: str, row: Any) -> Any:
        if isinstance(row, IssueRow):
            return views.issue(row)
        if isinstance(row, AgentRow):
            return views.agent(row, clock.now())
        if isinstance(row, JobRow):
            return views.job(row)
        if isinstance(row, QueueRow):
            issue = store.get(ISSUES, tenant, row.stream)
            return views.assignment(issue) if issue is not None and row.ready else None
        return None

    return encode
