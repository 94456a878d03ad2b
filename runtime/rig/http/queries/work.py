"""Executions and jobs."""

from collections.abc import Mapping

import msgspec

from rig.http.queries.lists import Answer
from rig.model.rows import ExecutionRow
from rig.model.tables import COUNTS, JOBS, Query, Where
from rig.store.port import Snapshot
from rig.wire import views
from rig.wire.shapes import answers


def executions(snapshot: Snapshot, query: Query[ExecutionRow], written: Mapping[str, int]) -> Answer:
    """A page of executions; ``written``: lines so far of those that write now."""
    shown = [views.execution(row, written.get(row.id, 0)) for _, row in snapshot.page(query)]
    return msgspec.json.encode(shown), snapshot.as_of(query.tenant)


def jobs(snapshot: Snapshot, tenant: str, page: int, limit: int, chain: str | None) -> bytes:
    """A page of all jobs, newest first; their numbers have no gaps, so that none is skipped to find it. No job has a chain."""
    count = None if chain else snapshot.get(COUNTS, tenant, JOBS.name)
    total = 0 if count is None else count.rows
    newest: Where = (("number", "<=", total - (page - 1) * limit),)
    rows = [row for _, row in snapshot.page(Query(JOBS, tenant, newest, ("-number",), limit))] if total else []
    shown = [views.job(row) for row in rows]
    return msgspec.json.encode(answers.Jobs(jobs=shown, total=total, page=page, limit=limit, as_of=snapshot.as_of(tenant)))
