"""Decisions of an agent."""

import msgspec
from msgspec.structs import replace

from rig.errors import Conflict, NotFound
from rig.model.decide.base import Context, Decision
from rig.model.events import Event, NewEvent, encode
from rig.model.rows import AgentRow


class Free(msgspec.Struct, frozen=True, kw_only=True):
    """An operator takes an agent off its issues, which are queued again: for an agent that is known to be dead."""

    issues: tuple[str, ...]
    """Issues that it holds, as read; one that another holds by now stays with that one."""
    reason: str = "released by an operator"


def decide(row: AgentRow | None, command: Free, ctx: Context) -> Decision:
    """The events of a release. Raises NotFound, Conflict when the agent holds nothing."""
    if row is None or not row.known:
        raise NotFound(f"agent {ctx.stream} is not known")
    if not command.issues:
        raise Conflict(f"agent {row.id} holds no issue")
    body = encode({"agentId": row.id, "reason": command.reason})
    return Decision(events=tuple(NewEvent(issue, "issue_unassigned", body) for issue in command.issues))


def fold(row: AgentRow | None, event: Event) -> AgentRow | None:
    """The row after an own event."""
    return None if row is None else replace(row, version=event.version)
