"""Rows of what people are asked and tell agents."""

from typing import Literal

from rig.clock import Micros
from rig.model.rows.base import Row


class QuestionRow(Row, frozen=True, kw_only=True):
    """A question of an agent at work. Key: its id."""

    id: str
    issue: str
    lease: str
    agent: str
    job: str | None = None
    execution: str | None = None
    question: str
    options: tuple[str, ...] = ()
    """What may be answered; empty: any text."""
    deadline: Micros | None = None
    """When it counts as denied; None: it lives as long as its lease."""
    state: Literal["open", "answered", "expired", "withdrawn"] = "open"
    """``withdrawn``: its lease ended before it was answered."""
    asked_at: Micros = 0
    answer: str | None = None
    decision: Literal["approve", "deny"] | None = None
    ended_at: Micros | None = None
    ended_sequence: int = 0
    """Sequence of the event that ended it; 0 while it is open."""
    answered_by: str | None = None
    """Principal that answered."""


class SteerRow(Row, frozen=True, kw_only=True):
    """Something that was said to the agent at work on an issue. Key: its id."""

    id: str
    issue: str
    message: str
    job: str | None = None
    state: Literal["pending", "delivered", "rejected", "withdrawn"] = "pending"
    """``rejected``: the agent's program would not take it. ``withdrawn``: the work ended before it reached anyone."""
    requested_at: Micros = 0
    requested_sequence: int = 0
    requested_by: str = ""
    """Principal that said it."""
    execution: str | None = None
    """The execution that it reached."""
    reason: str | None = None
    ended_at: Micros | None = None


class ReviewRow(Row, frozen=True, kw_only=True):
    """An issue in review that has neither a reviewer nor a verdict. Key: the issue."""

    stream: str
    rank: int
    queued_sequence: int
    """Sequence of the event that brought it into review."""
    author: str | None = None


class AttentionRow(Row, frozen=True, kw_only=True):
    """Something that waits for a person. Key: its id; the row exists only while it waits."""

    id: str
    """A question's id, or ``<kind>:<issue>``."""
    kind: Literal["question", "approval", "failure", "gate"]
    subject: str
    """The issue that it is about."""
    question: str
    options: tuple[str, ...] = ()
    since: Micros = 0
    deadline: Micros | None = None
