"""Decisions about an issue that Rig's own duties ask for; each looks once more at what the round had read."""

from typing import Any, Literal

import msgspec

from rig.errors import Conflict
from rig.model.decide.base import Context, Decision
from rig.model.events import NewEvent, encode
from rig.model.rows import IssueRow
from rig.model.states import WAITING, WORKING


class TakeBack(msgspec.Struct, frozen=True, kw_only=True):
    """An issue is taken from an agent that is silent, and queued again (R0-58, R0-63)."""

    agent: str
    heard: int
    """Version of the agent's stream when the round read it: a heartbeat since then refuses this."""
    why: Literal["stuck", "reassign"]
    reason: str


class Flag(msgspec.Struct, frozen=True, kw_only=True):
    """An issue that nobody claims is marked (R0-64)."""

    queued: int
    """``queued_sequence`` when the round read it: an issue that was queued anew is not meant."""
    mark: Literal["orphaned", "needs_human"]
    reason: str


Command = TakeBack | Flag

_EVENTS = {
    "stuck": "agent_stuck",
    "reassign": "issue_unassigned",
    "orphaned": "issue_orphaned",
    "needs_human": "issue_needs_human",
}


def decide(row: IssueRow, command: Command, ctx: Context) -> Decision:
    """The events of a duty. Raises Conflict when the issue is another than the round saw."""
    named: dict[str, Any] = {"repo": row.repo, "issueNumber": row.number} if row.repo else {"identifier": row.stream}
    if isinstance(command, Flag):
        if row.state not in WAITING or row.queued_sequence != command.queued:
            raise Conflict(f"{row.stream} was queued anew or taken")
        body = named | {"reason": command.reason}
        return Decision(events=(NewEvent(row.stream, _EVENTS[command.mark], encode(body)),))
    if row.state not in WORKING or row.agent != command.agent or row.lease is not None:
        raise Conflict(f"{row.stream} is not held by {command.agent} without a lease")
    body = named | {"agentId": command.agent, "reason": command.reason}
    event = NewEvent(row.stream, _EVENTS[command.why], encode(body))
    return Decision(events=(event,), extra_expect={command.agent: command.heard})
