"""Answers about assignments and leases."""

from typing import Any

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


class Lease(Camel):
    id: str
    fence: int
    expires_at: str


class ClaimedAssignment(Assignment):
    job_id: str
    lease: Lease


class LeaseRenewed(Camel):
    expires_at: str
    messages: list[dict[str, Any]]
    cancel_requested: bool
    budget_left: float | None


class LeaseEnded(Camel):
    stream_id: str
    state: str
    lease_id: str


SHAPES: dict[str, Any] = {
    "Assignment": Assignment,
    "Assignments": list[Assignment],
    "ClaimedAssignment": ClaimedAssignment,
    "LeaseRenewed": LeaseRenewed,
    "LeaseEnded": LeaseEnded,
}
