"""Decisions of a job."""

import msgspec
from msgspec.structs import replace

from rig.errors import BadRequest, NotFound
from rig.model.decide.base import Context, Decision
from rig.model.events import Event, NewEvent, encode
from rig.model.rows import JobRow


class Cancel(msgspec.Struct, frozen=True, kw_only=True):
    """An operator ends a job; the issue that it carries ends with it."""

    reason: str = "cancelled by an operator"


def decide(row: JobRow | None, command: Cancel, ctx: Context) -> Decision:
    """The events of a cancellation. Raises NotFound, BadRequest for a job that has ended (R2-18)."""
    if row is None:
        raise NotFound(f"job {ctx.stream} is not known")
    if row.ended_at is not None:
        raise BadRequest(f"job {row.id} has ended: {row.state}", state=row.state)
    events = [NewEvent(row.id, "job_cancelled", encode({"reason": command.reason}))]
    if row.issue is not None:
        events.insert(0, NewEvent(row.issue, "issue_aborted", encode({"identifier": row.issue, "reason": command.reason})))
    return Decision(events=tuple(events))


def fold(row: JobRow | None, event: Event) -> JobRow | None:
    """The row after an own event."""
    if row is None or event.type != "job_cancelled":
        return row
    return replace(row, state="cancelled", ended_at=event.at, version=event.version)
