"""Decisions of a person about an issue that waits for one: held for approval, failed, or at a gate."""

from typing import Literal

import msgspec

from rig.errors import Conflict
from rig.model.decide import question
from rig.model.decide.base import Decision
from rig.model.decide.held import event_of
from rig.model.rows import AttentionRow, IssueRow


class Settle(msgspec.Struct, frozen=True, kw_only=True):
    """What is to become of it: one of the options that ``rig.model.folds.attention`` offers for its kind."""

    kind: Literal["approval", "failure", "gate"]
    answer: str


def command(row: AttentionRow, answer: str | None, decision: question.Verdict | None) -> question.Answer | Settle:
    """The command that an answer to a row of Attention is. Raises what ``question.chosen`` raises."""
    said, verdict = question.chosen(row.options, answer, decision)
    if row.kind == "question":
        return question.Answer(question=row.id, answer=said, decision=verdict)
    return Settle(kind=row.kind, answer=said)


def settle(row: IssueRow, command: Settle) -> Decision:
    """Raises Conflict when the issue does not wait for that any more."""
    waits = {
        "approval": row.state == "queued" and row.orphan_status == "needs_human",
        "failure": row.state == "failed",
        "gate": row.gate is not None,
    }
    if not waits[command.kind]:
        raise Conflict(f"{row.stream} no longer waits for that: it is {row.state}", state=row.state)
    match command.kind, command.answer:
        case ("approval", "approve") | ("failure", "retry"):
            return Decision(events=(event_of(row, "issue_approved"),))
        case "gate", "approve":
            return Decision(events=(event_of(row, "review_passed", prNumber=row.pr_number),))
        case "gate", "deny":
            return Decision(events=(event_of(row, "changes_requested", prNumber=row.pr_number),))
        case _:
            reason = "an operator refused it" if command.kind == "approval" else row.reason or "an operator gave it up"
            return Decision(events=(event_of(row, "issue_aborted", reason=reason),))
