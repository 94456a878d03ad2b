"""The fold of a job's own stream."""

from typing import Any

from msgspec.structs import replace

from rig.model.events import Event
from rig.model.rows import CountRow, JobRow
from rig.model.tables import COUNTS, JOBS, Tables


def fold_created(event: Event, body: dict[str, Any], tables: Tables) -> None:
    """A job begins, with what asked for it."""
    known = tables.get(JOBS, event.stream)
    number = known.number if known is not None else _counted(event, tables)
    tables.put(
        JOBS,
        event.stream,
        JobRow(
            id=event.stream,
            number=number,
            issue=body.get("issue"),
            source=body.get("source") or "",
            type=body.get("type") or "",
            provider=body.get("provider"),
            model=body.get("model"),
            priority=body.get("priority", 2),
            created_at=event.at,
            version=event.version,
            sequence=event.sequence,
        ),
    )


def _counted(event: Event, tables: Tables) -> int:
    """One job more; how many there are."""
    before = tables.get(COUNTS, JOBS.name)
    rows = 1 if before is None else before.rows + 1
    tables.put(COUNTS, JOBS.name, CountRow(rows=rows, sequence=event.sequence))
    return rows


def fold_cancelled(event: Event, body: dict[str, Any], tables: Tables) -> None:
    """A job that an operator ended; terminal jobs absorb it (I13)."""
    row = tables.get(JOBS, event.stream)
    if row is None:
        return
    changes: dict[str, Any] = {"version": event.version, "sequence": event.sequence}
    if row.ended_at is None:
        changes |= {"state": "cancelled", "ended_at": event.at, "reason": body.get("reason")}
    tables.put(JOBS, event.stream, replace(row, **changes))
