"""Answers about what waits for a person."""

from typing import Any, Literal

from rig.wire.shapes.answers.base import Camel, Snake


class AttentionItem(Snake):
    """``id`` is what ``POST /api/v1/questions/{id}/answer`` takes, ``subject`` the issue."""

    id: str
    kind: Literal["question", "approval", "failure", "gate"]
    subject: str
    question: str
    options: tuple[str, ...]
    since: str
    deadline: str | None


class QuestionAsked(Camel):
    question_id: str


class Question(Snake):
    id: str
    issue_id: str
    job_id: str | None
    execution_id: str | None
    lease_id: str
    agent_id: str
    question: str
    options: tuple[str, ...]
    state: Literal["open", "answered", "expired", "withdrawn"]
    asked_at: str
    deadline: str | None
    answer: str | None
    decision: Literal["approve", "deny"] | None
    """A question that expired is denied."""
    ended_at: str | None
    answered_by: str | None


class Answered(Snake):
    id: str
    kind: Literal["question", "approval", "failure", "gate"]
    subject: str
    answer: str
    decision: Literal["approve", "deny"] | None
    state: str
    """State that the issue is in now, in the conductor's words."""


class Message(Camel):
    """What an agent is told by its heartbeat. ``id`` only grows within a lease; the next heartbeat's ``after`` takes it."""

    id: int
    type: Literal["question_answered", "question_expired", "steer"]
    question_id: str | None
    question: str | None
    answer: str | None
    decision: Literal["approve", "deny"] | None
    at: str
    message: str | None
    """What a person says to the agent (``steer``); null for the end of a question."""


SHAPES: dict[str, Any] = {
    "Attention": list[AttentionItem],
    "QuestionAsked": QuestionAsked,
    "Question": Question,
    "Answered": Answered,
}
