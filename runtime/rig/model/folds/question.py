"""What an issue's events mean for the questions of the agent that holds it."""

from typing import Any

from msgspec.structs import replace

from rig.model.events import Event
from rig.model.rows import IssueRow, QuestionRow
from rig.model.tables import QUESTIONS, Tables

EVENTS = ("question_asked", "question_answered", "question_expired")


def not_open(row: IssueRow | None, event: Event, body: dict[str, Any]) -> str | None:
    """Why an event that ends a question does not apply, None when it does."""
    if row is None or event.type not in ("question_answered", "question_expired") or body["questionId"] in row.questions:
        return None
    return "the question is not open"


def changes(row: IssueRow, type_: str, body: dict[str, Any]) -> dict[str, Any]:
    """How a question's event changes the issue: blocked while one is open, then in the state that it was in."""
    asked = body["questionId"]
    if type_ == "question_asked":
        return {"questions": (*row.questions, asked)}
    left = tuple(question for question in row.questions if question != asked)
    return {"questions": left, "state": "blocked" if left else "in_progress" if row.execution else "assigned"}


def follow(before: IssueRow | None, after: IssueRow, event: Event, body: dict[str, Any], tables: Tables) -> None:
    """Keep the questions in step with an issue's event that applied; those of a lease that ended are withdrawn."""
    if event.type == "question_asked":
        tables.put(QUESTIONS, body["questionId"], _asked(after, event, body))
    elif event.type in EVENTS:
        found = tables.get(QUESTIONS, body["questionId"])
        if found is not None:
            _end(found, event, tables, "answered" if event.type == "question_answered" else "expired", body)
    elif before is not None and before.questions and not after.questions:
        for key in before.questions:
            found = tables.get(QUESTIONS, key)
            if found is not None:
                _end(found, event, tables, "withdrawn", {})


def _asked(row: IssueRow, event: Event, body: dict[str, Any]) -> QuestionRow:
    return QuestionRow(
        id=body["questionId"],
        issue=row.stream,
        lease=body.get("leaseId") or row.lease or "",
        agent=body["agentId"],
        job=row.job,
        execution=row.execution,
        question=body["question"],
        options=tuple(body.get("options") or ()),
        deadline=body.get("deadline"),
        asked_at=event.at,
        version=event.version,
        sequence=event.sequence,
    )


def _end(row: QuestionRow, event: Event, tables: Tables, state: Any, body: dict[str, Any]) -> None:
    ended = replace(
        row,
        state=state,
        answer=body.get("answer"),
        decision="deny" if state == "expired" else body.get("decision"),
        ended_at=event.at,
        ended_sequence=event.sequence,
        answered_by=event.principal if state == "answered" else None,
        version=event.version,
        sequence=event.sequence,
    )
    tables.put(QUESTIONS, row.id, ended)
