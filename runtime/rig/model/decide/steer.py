"""Decisions about steering: somebody says something to the agent that is at work on an issue."""

import msgspec

from rig.errors import Conflict
from rig.model.decide.base import Decision
from rig.model.decide.held import event_of
from rig.model.rows import IssueRow
from rig.model.states import WORKING

MAX_PENDING = 20
"""Words on their way to one issue's agent."""


class Steer(msgspec.Struct, frozen=True, kw_only=True):
    """Say ``message`` to the agent that holds the issue: in the turn that runs, else with the next one."""

    id: str
    message: str


Command = Steer


def steer(row: IssueRow, command: Steer) -> Decision:
    """Raises Conflict when nobody is at work, who is can't be told anything, or too much waits to be told."""
    if row.state not in WORKING:
        raise Conflict(f"{row.stream} is {row.state}: no agent is at work on it", state=row.state)
    if row.steerable is False:
        raise Conflict("its session takes nothing while it runs: its provider can't steer; abort it, or wait for its end")
    if row.lease is None:
        raise Conflict(f"{row.agent} works without a lease, so nothing can be sent to it", state=row.state)
    if len(row.steers) >= MAX_PENDING:
        raise Conflict(f"{MAX_PENDING} messages wait for the agent already")
    said = event_of(
        row,
        "steer_requested",
        steerId=command.id,
        agentId=row.agent,
        executionId=row.execution,
        message=command.message,
    )
    return Decision(events=(said,))
