"""Issues, the queue, and the history of one issue."""

import msgspec

from rig.http.queries.lists import Answer
from rig.model.cycles import Cycles, waits_for
from rig.model.events import Event
from rig.model.rows import IssueRow, QueueRow, UnappliedRow
from rig.model.tables import ISSUES, UNAPPLIED, Query
from rig.store.port import Snapshot
from rig.wire import views


def issues(snapshot: Snapshot, query: Query[IssueRow]) -> Answer:
    """A page of issues, each with the cycle of dependencies that it is in."""
    rows = [row for _, row in snapshot.page(query)]
    blockers = snapshot.found(ISSUES, query.tenant, [blocker for row in rows for blocker in waits_for(row)])
    cycles = Cycles(lambda stream: waits_for(blockers.get(stream) or snapshot.get(ISSUES, query.tenant, stream)))
    shown = [views.issue(row, cycles.of(row.stream) if waits_for(row) else ()) for row in rows]
    return msgspec.json.encode(shown), snapshot.as_of(query.tenant)


def queue(snapshot: Snapshot, query: Query[QueueRow]) -> Answer:
    """A page of the queue, as assignments."""
    rows = [row for _, row in snapshot.page(query)]
    found = snapshot.found(ISSUES, query.tenant, [row.stream for row in rows])
    shown = [views.assignment(found[row.stream]) for row in rows if row.stream in found]
    return msgspec.json.encode(shown), snapshot.as_of(query.tenant)


def history(snapshot: Snapshot, tenant: str, stream: str) -> tuple[list[Event], dict[int, UnappliedRow]]:
    """The events of an issue, and by their sequence those that could not be applied."""
    events = snapshot.stream(tenant, stream)
    query = Query(UNAPPLIED, tenant, (("stream", "=", stream),), limit=max(len(events), 1))
    return events, {row.sequence: row for _, row in snapshot.page(query)}


def trace(snapshot: Snapshot, tenant: str, stream: str) -> bytes | None:
    """All that happened to an issue; None when nothing is known of it."""
    events, unapplied = history(snapshot, tenant, stream)
    if not events:
        return None
    row = snapshot.get(ISSUES, tenant, stream)
    return msgspec.json.encode(views.trace(stream, row, events, unapplied, snapshot.as_of(tenant)))
