"""Issues, assignments and traces as answers."""

from collections.abc import Iterable, Mapping

import msgspec

from rig.clock import iso, iso_or_none
from rig.model import priority
from rig.model.costs import dollars
from rig.model.events import Event
from rig.model.rows import (
    IssueRow,
    LeaseRow,
    Tokens,
    UnappliedRow,
)
from rig.model.states import TERMINAL, VOCABULARY, transitions
from rig.wire.shapes import answers
from rig.wire.views.events import data

_STATES = sorted(VOCABULARY)


def tokens(count: Tokens) -> answers.TokenCounts:
    return answers.TokenCounts(
        input_tokens=count.input,
        output_tokens=count.output,
        cache_read_tokens=count.cache_read,
        cache_creation_tokens=count.cache_creation,
    )


def issue(row: IssueRow, cycle: tuple[str, ...] = ()) -> answers.Issue:
    """IssueStatus (6.1), with the cycle of dependencies that it is in."""
    return answers.Issue(
        stream_id=row.stream,
        identifier=row.identifier or row.stream,
        repo=row.repo,
        issue_number=row.number,
        title=row.title,
        state=VOCABULARY[row.state].conductor,
        cancelled=row.state == "cancelled",
        priority=priority.name(row.priority),
        milestone=row.milestone,
        labels=row.labels,
        depends_on=row.depends_on,
        parent=row.parent,
        assigned_agent=row.agent,
        attempt=row.attempt,
        branch=row.branch,
        pr_number=row.pr_number,
        pr_url=row.pr_url,
        review_status=row.review,
        ci_status=row.ci,
        url=row.url,
        orphan_status=row.orphan_status,
        reason=row.reason,
        tokens=tokens(row.tokens),
        total_cost_usd=dollars(row.cost),
        queued_at=iso_or_none(row.queued_at),
        created_at=iso(row.created_at),
        updated_at=iso(row.updated_at),
        last_event_sequence=row.sequence,
        cycle=cycle,
    )


def _assigned(row: IssueRow) -> answers.AssignedIssue:
    return answers.AssignedIssue(number=row.number, repo=row.repo, title=row.title, milestone=row.milestone)


def assignment(row: IssueRow) -> answers.Assignment:
    """Next assignment, also an entry of the queue."""
    return answers.Assignment(
        stream_id=row.stream, issue=_assigned(row), priority=priority.name(row.priority), attempt=row.attempt
    )


def review(row: IssueRow) -> answers.ReviewAssignment:
    """Next review (0.18)."""
    return answers.ReviewAssignment(
        stream_id=row.stream,
        issue=_assigned(row),
        priority=priority.name(row.priority),
        attempt=row.attempt,
        pr_number=row.pr_number,
        pr_url=row.pr_url,
    )


def claimed(row: IssueRow, lease: LeaseRow) -> answers.ClaimedAssignment:
    """An assignment with the lease that proves it."""
    return answers.ClaimedAssignment(
        stream_id=row.stream,
        issue=_assigned(row),
        priority=priority.name(row.priority),
        attempt=row.attempt,
        job_id=lease.job,
        lease=answers.Lease(id=lease.id, fence=lease.fence, expires_at=iso(lease.granted_at + lease.seconds * 1_000_000)),
    )


def _cost(event: Event) -> answers.CostLine | None:
    if event.meta == b"{}":
        return None
    cost = msgspec.json.decode(event.meta).get("cost")
    if not isinstance(cost, dict):
        return None
    computed, reported = cost.get("computed"), cost.get("reported")
    return answers.CostLine(
        counted_usd=dollars(cost.get("counted", 0)),
        rule=cost.get("rule", "unpriced"),
        computed_usd=None if computed is None else dollars(computed),
        reported_usd=None if reported is None else dollars(reported),
    )


def trace(
    stream: str, row: IssueRow | None, events: list[Event], unapplied: Mapping[int, UnappliedRow], as_of: int
) -> answers.Trace:
    """History of one issue, by sequence (R0-21, R0-22)."""
    return answers.Trace(
        issue_id=stream,
        current_state=VOCABULARY[row.state].conductor if row else None,
        event_count=len(events),
        total_cost_usd=dollars(row.cost if row else 0),
        tokens=tokens(row.tokens if row else Tokens()),
        as_of=as_of,
        events=[_traced(e, unapplied.get(e.sequence)) for e in sorted(events, key=lambda e: e.sequence)],
    )


def _traced(event: Event, unapplied: UnappliedRow | None) -> answers.TraceEvent:
    return answers.TraceEvent(
        at=iso(event.at),
        type=event.type,
        data=data(event),
        sequence=event.sequence,
        cost=_cost(event),
        applied=None if unapplied is None else False,
        reason=None if unapplied is None else unapplied.reason,
    )


def transition_table(issues: Iterable[IssueRow], as_of: int) -> answers.Transitions:
    """The table of states, and what the given non-terminal issues may become."""
    table = {str(state): [str(t) for t in targets] for state, targets in transitions().items()}
    return answers.Transitions(
        transitions=table,
        vocabulary={s: VOCABULARY[s]._asdict() for s in _STATES},
        issues={
            row.stream: answers.IssueTransitions(state=row.state, allowed=table[row.state])
            for row in issues
            if row.state not in TERMINAL
        },
        as_of=as_of,
    )
