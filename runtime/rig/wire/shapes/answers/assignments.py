"""Answers about assignments and leases."""

from typing import Any

from rig.wire.shapes.answers.attention import Message
from rig.wire.shapes.answers.base import Camel


class AssignedIssue(Camel):
    number: int | None
    repo: str | None
    title: str | None
    milestone: str | None


class Assignment(Camel):
    stream_id: str
    issue: AssignedIssue
    priority: str
    attempt: int


class ReviewAssignment(Assignment):
    pr_number: int | None
    pr_url: str | None


class Lease(Camel):
    id: str
    fence: int
    expires_at: str


class ClaimedAssignment(Assignment):
    job_id: str
    lease: Lease


class LeaseRenewed(Camel):
    expires_at: str
    messages: list[Message]
    """Ends of this lease's questions after the heartbeat's ``after``, oldest first: each comes until a later ``after`` covers it."""
    cancel_requested: bool
    """Whether the work is no longer wanted while the lease lives. What ends the work at once (an abort, a cancellation,
    force-done) ends the lease with it: the heartbeat then is 409 with the reason in its details."""
    budget_left: float | None
    """Dollars that the work may still cost; null where no budget is set, which is always until budgets exist."""


class LeaseEnded(Camel):
    stream_id: str
    state: str
    lease_id: str


SHAPES: dict[str, Any] = {
    "Assignment": Assignment,
    "Assignments": list[Assignment],
    "ReviewAssignment": ReviewAssignment,
    "ClaimedAssignment": ClaimedAssignment,
    "LeaseRenewed": LeaseRenewed,
    "LeaseEnded": LeaseEnded,
}
