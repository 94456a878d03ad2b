"""Decisions about questions: an agent asks, somebody answers, or the deadline passes."""

from typing import Literal

import msgspec

from rig.clock import Micros
from rig.errors import BadRequest, Conflict, StaleLease, Unprocessable
from rig.model.decide.base import Decision, TimerChange
from rig.model.decide.held import event_of, must_hold
from rig.model.events import encode
from rig.model.rows import IssueRow

MAX_OPEN = 20
"""Open questions of one lease."""

Verdict = Literal["approve", "deny"]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """The holder of a lease puts a question; its issue is blocked until there is an answer."""

    id: str
    agent: str
    lease: str
    fence: int
    question: str
    options: tuple[str, ...] = ()
    deadline: Micros | None = None
    """When it counts as denied; None: it lives as long as its lease."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody answers."""

    question: str
    answer: str
    decision: Verdict | None = None


class Expire(msgspec.Struct, frozen=True, kw_only=True):
    """A question's deadline has passed."""

    question: str
    timer: TimerChange


Command = Ask | Answer | Expire


def chosen(options: tuple[str, ...], answer: str | None, decision: Verdict | None) -> tuple[str, Verdict | None]:
    """The answer in words, and the decision that it is. Options are a closed set; without any, every text is an answer.

    Raises BadRequest unless exactly one of ``answer`` and ``decision`` is given, Unprocessable for what was not offered.
    """
    if (answer is None) == (decision is None):
        raise BadRequest("give either answer or decision", field="answer")
    said = answer if answer is not None else decision
    assert said is not None
    if options:
        same = [option for option in options if option == said] or [o for o in options if o.casefold() == said.casefold()]
        if not same:
            raise Unprocessable(f"the answer must be one of: {', '.join(options)}", field="answer", options=list(options))
        said = same[0]
    word = said.strip().casefold()
    return said, "approve" if word == "approve" else "deny" if word == "deny" else None


def ask(row: IssueRow, command: Ask) -> Decision:
    """Raises StaleLease, Conflict when too many are open."""
    must_hold(row, command.lease, command.fence)
    if command.agent != row.agent:
        raise StaleLease(f"the lease belongs to {row.agent}", lease=command.lease)
    if len(row.questions) >= MAX_OPEN:
        raise Conflict(f"{MAX_OPEN} questions of this lease are open already")
    asked = event_of(
        row,
        "question_asked",
        questionId=command.id,
        agentId=command.agent,
        executionId=row.execution,
        leaseId=command.lease,
        fence=command.fence,
        question=command.question,
        options=list(command.options) or None,
        deadline=command.deadline,
    )
    timers: tuple[TimerChange, ...] = ()
    if command.deadline is not None:
        timers = (TimerChange(f"question:{command.id}", command.deadline, encode({"issue": row.stream})),)
    return Decision(events=(asked,), timers=timers, fences=((command.lease, command.fence),))


def answer(row: IssueRow, command: Answer) -> Decision:
    """Raises Conflict for a question that was answered, has expired, or died with its lease."""
    if command.question not in row.questions:
        raise Conflict("the question is no longer open")
    answered = event_of(row, "question_answered", questionId=command.question, answer=command.answer, decision=command.decision)
    return Decision(events=(answered,), timers=(TimerChange(f"question:{command.question}", None),))


def expire(row: IssueRow | None, command: Expire) -> Decision:
    """A question that ended otherwise leaves only its timer to be tidied away."""
    if row is None or command.question not in row.questions:
        return Decision(timers_fired=(command.timer,))
    expired = event_of(row, "question_expired", questionId=command.question, reason="nobody answered in time")
    return Decision(events=(expired,), timers_fired=(command.timer,))
