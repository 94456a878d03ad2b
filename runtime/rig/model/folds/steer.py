"""What an issue's events mean for the words that were sent to its agent."""

from typing import Any

from msgspec.structs import replace

from rig.model.events import Event
from rig.model.rows import IssueRow, State, SteerRow
from rig.model.states import WAITING, WORKING
from rig.model.tables import STEERS, Tables

EVENTS = ("steer_requested", "steer_delivered", "steer_rejected")


def not_pending(row: IssueRow | None, event: Event, body: dict[str, Any]) -> str | None:
    """Why an event that ends a steer does not apply, None when it does."""
    if row is None or event.type not in EVENTS[1:] or body.get("steerId") in row.steers:
        return None
    return "nothing of that id waits for the agent"


def changes(row: IssueRow, type_: str, body: dict[str, Any]) -> dict[str, Any]:
    """How a steer's event changes the issue."""
    if type_ == "steer_requested":
        return {"steers": (*row.steers, body["steerId"])}
    return {"steers": tuple(key for key in row.steers if key != body["steerId"])}


def kept(row: IssueRow, to: State) -> tuple[str, ...]:
    """What still waits for an agent in the state after: an issue that is tried again keeps it for its next attempt."""
    return row.steers if to in WORKING or to in WAITING else ()


def follow(before: IssueRow | None, after: IssueRow, event: Event, body: dict[str, Any], tables: Tables) -> None:
    """Keep the steers in step with an issue's event that applied; what reached nobody when the work ended is withdrawn."""
    if event.type == "steer_requested":
        tables.put(STEERS, body["steerId"], _requested(after, event, body))
    elif event.type in EVENTS:
        _end(body["steerId"], "delivered" if event.type == "steer_delivered" else "rejected", event, body, tables)
    elif before is not None and before.steers and not after.steers:
        for key in before.steers:
            _end(key, "withdrawn", event, {"reason": "the work ended before it reached the agent"}, tables)


def _requested(row: IssueRow, event: Event, body: dict[str, Any]) -> SteerRow:
    return SteerRow(
        id=body["steerId"],
        issue=row.stream,
        message=body["message"],
        job=row.job,
        requested_at=event.at,
        requested_sequence=event.sequence,
        requested_by=event.principal,
        version=event.version,
        sequence=event.sequence,
    )


def _end(key: str, state: Any, event: Event, body: dict[str, Any], tables: Tables) -> None:
    row = tables.get(STEERS, key)
    if row is None:
        return
    ended = replace(
        row,
        state=state,
        execution=body.get("executionId") or row.execution,
        reason=body.get("reason"),
        ended_at=event.at,
        version=event.version,
        sequence=event.sequence,
    )
    tables.put(STEERS, key, ended)
