"""What decisions about an issue share: its events, the proof of who holds it, what ends with a lease and what its timer says."""

from typing import Any

from rig.errors import StaleLease
from rig.model.decide.base import TimerChange
from rig.model.events import NewEvent, encode
from rig.model.rows import IssueRow


def event_of(row: IssueRow, type_: str, **fields: Any) -> NewEvent:
    """An event of an issue, without the fields that are None."""
    named: dict[str, Any] = {"repo": row.repo, "issueNumber": row.number} if row.repo else {"identifier": row.stream}
    return NewEvent(row.stream, type_, encode(named | {k: v for k, v in fields.items() if v is not None}))


def must_hold(row: IssueRow, lease: str, fence: int) -> None:
    """Raises StaleLease unless this lease holds the issue."""
    if row.lease != lease or row.fence != fence:
        raise StaleLease("the lease no longer holds this issue; stop working on it and claim again", lease=lease)


def end_of_lease(row: IssueRow) -> tuple[TimerChange, ...]:
    """The timers that end with the lease of an issue: its own, and those of its questions."""
    ended = (TimerChange(f"lease:{row.lease}", None),) if row.lease else ()
    return (*ended, *(TimerChange(f"question:{question}", None) for question in row.questions))


def lease_payload(issue: str, fence: int) -> bytes:
    """What a lease's timer carries to whoever fires it."""
    return encode({"issue": issue, "fence": fence})
