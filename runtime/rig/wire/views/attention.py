"""What waits for a person, as answers."""

from rig.clock import iso, iso_or_none
from rig.model.rows import AttentionRow, QuestionRow, SteerRow
from rig.wire.shapes import answers


def attention(row: AttentionRow) -> answers.AttentionItem:
    """A row of ``GET /api/v1/attention``."""
    return answers.AttentionItem(
        id=row.id,
        kind=row.kind,
        subject=row.subject,
        question=row.question,
        options=row.options,
        since=iso(row.since),
        deadline=iso_or_none(row.deadline),
    )


def question(row: QuestionRow) -> answers.Question:
    return answers.Question(
        id=row.id,
        issue_id=row.issue,
        job_id=row.job,
        execution_id=row.execution,
        lease_id=row.lease,
        agent_id=row.agent,
        question=row.question,
        options=row.options,
        state=row.state,
        asked_at=iso(row.asked_at),
        deadline=iso_or_none(row.deadline),
        answer=row.answer,
        decision=row.decision,
        ended_at=iso_or_none(row.ended_at),
        answered_by=row.answered_by,
    )


def message(row: QuestionRow) -> answers.Message:
    """The end of a question as its agent's heartbeat tells it."""
    return answers.Message(
        id=row.ended_sequence,
        type="question_answered" if row.state == "answered" else "question_expired",
        question_id=row.id,
        question=row.question,
        answer=row.answer,
        decision=row.decision,
        at=iso(row.ended_at or 0),
        message=None,
    )


def steer_message(row: SteerRow, number: int) -> answers.Message:
    """Something that was said to an agent as its heartbeat tells it."""
    return answers.Message(
        id=number,
        type="steer",
        question_id=None,
        question=None,
        answer=None,
        decision=None,
        at=iso(row.requested_at),
        message=row.message,
    )
