"""Decisions of an agent."""

import msgspec
from msgspec.structs import replace

from rig.errors import Conflict, NotFound
from rig.model.decide.base import Context, Decision
from rig.model.events import Event, NewEvent, encode
from rig.model.rows import AgentRow


class Free(msgspec.Struct, frozen=True, kw_only=True):
    """An operator takes an agent off its issue, which is queued again: for an agent that is known to be dead."""

    reason: str = "released by an operator"


def decide(row: AgentRow | None, command: Free, ctx: Context) -> Decision:
    """The events of a release. Raises NotFound, Conflict when the agent holds nothing."""
    if row is None:
        raise NotFound(f"agent {ctx.stream} is not known")
    if row.issue is None:
        raise Conflict(f"agent {row.id} holds no issue")
    released = NewEvent(row.issue, "issue_unassigned", encode({"agentId": row.id, "reason": command.reason}))
    return Decision(events=(released,))


def fold(row: AgentRow | None, event: Event) -> AgentRow | None:
    """The row after an own event."""
    return None if row is None else replace(row, version=event.version)
