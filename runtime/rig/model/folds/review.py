"""The fold of what waits for a reviewer."""

from typing import Any

from rig.model.events import Event
from rig.model.rows import IssueRow, ReviewRow
from rig.model.tables import REVIEWS, Tables


def taken(row: IssueRow | None, event: Event, body: dict[str, Any]) -> str | None:
    """Why REVIEW_ASSIGNED does not apply: of two reviewers the one whose event came first has the review."""
    if event.type != "review_assigned" or row is None or row.reviewer in (None, body.get("agentId")):
        return None
    return f"{row.reviewer} reviews it already"


def follow(before: IssueRow | None, after: IssueRow, event: Event, tables: Tables) -> None:
    """Keep the reviews in step with an issue whose event applied."""
    waited, waits = before is not None and _waits(before), _waits(after)
    if waits and not waited:
        row = ReviewRow(
            stream=after.stream,
            rank=after.priority,
            queued_sequence=event.sequence,
            author=after.agent,
            version=event.version,
            sequence=event.sequence,
        )
        tables.put(REVIEWS, after.stream, row)
    elif waited and not waits:
        tables.delete(REVIEWS, after.stream)


def _waits(row: IssueRow) -> bool:
    return row.state == "in_review" and row.reviewer is None and row.review is None
