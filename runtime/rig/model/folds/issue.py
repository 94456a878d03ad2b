"""The fold of an issue's stream: its row, and what follows for queue, links, lease, execution, job and agent."""

from typing import Any

from msgspec.structs import replace

from rig.model import identity, priority
from rig.model.events import Event
from rig.model.folds import agent as agents
from rig.model.folds import attention, question, review, steer, streams, work
from rig.model.rows import IssueRow, LinkRow, QueueRow, SegmentRow, State, UnappliedRow
from rig.model.states import TERMINAL, WAITING, WORKING, verdict
from rig.model.tables import EXECUTIONS, ISSUES, LINKS, QUEUE, SEGMENTS, UNAPPLIED, Tables

SYSTEM_EVENTS = (
    "work_completed",
    "work_failed",
    "lease_granted",
    "lease_expired",
    "lease_released",
    "question_asked",
    "question_answered",
    "question_expired",
    "steer_requested",
    "steer_delivered",
    "steer_rejected",
    "issue_forced_done",
    "issue_aborted",
    "issue_edited",
    "execution_progressed",
)
"""Rig's own events of an issue's stream; the rest of them are types of the family ``issue``."""


_GATE: dict[str, dict[str, Any]] = {
    "review_passed": {"review": "passed"},
    "review_disputed": {"review": "disputed"},
    "changes_requested": {"review": "changes_requested", "ci": None},
    "ci_passed": {"ci": "passed"},
    "ci_failed": {"ci": "failed"},
}
"""What the merge gate's events say of an issue (R0-66). Who merges reads it; Rig never does."""


_ENDS = ("issue_done", "work_completed")
"""Events that an epic's open sub-issues keep from making it done (R0-62)."""


def unapplied_key(sequence: int) -> str:
    """The key in ``UNAPPLIED`` of an event that did not apply."""
    return f"{sequence:016d}"


def fold(event: Event, body: dict[str, Any], tables: Tables) -> None:
    """Apply an issue's event, or note why it does not apply."""
    before = tables.get(ISSUES, event.stream)
    after, reason = step(before, event, body, open_subs(event.stream, tables) if event.type in _ENDS else 0)
    if reason is not None:
        tables.put(
            UNAPPLIED,
            unapplied_key(event.sequence),
            UnappliedRow(stream=event.stream, reason=reason, version=event.version, sequence=event.sequence),
        )
    if after is None:
        return
    if reason is None:
        _relink(before, after, tables)
        after = work.follow(before, after, event, body, tables)
        after = streams.follow(before, after, event, body, tables)
        agents.follow(before, after, event, body, tables)
        question.follow(before, after, event, body, tables)
        steer.follow(before, after, event, body, tables)
        review.follow(before, after, event, tables)
        attention.follow(before, after, event, tables)
    elif event.type == "issue_assigned":
        streams.add(event, body, tables)
    tables.put(ISSUES, event.stream, after)
    _requeue(before, after, event, tables)


def step(row: IssueRow | None, event: Event, body: dict[str, Any], open_subs: int = 0) -> tuple[IssueRow | None, str | None]:
    """The issue's row after an event of its stream, and why the event does not apply (None when it does).

    Looks at nothing but the row, so an actor may use it to decide the next command before the commit.
    """
    to, reason = destination(event.type, body, row.state if row else None)
    if reason is None:
        reason = _held_by_another(row, event, body)
    if reason is None:
        reason = question.not_open(row, event, body) or steer.not_pending(row, event, body) or review.taken(row, event, body)
    if reason is None and event.type == "issue_done" and open_subs:
        reason = f"the epic has {open_subs} open sub-issue{'s' if open_subs > 1 else ''}"
    if reason is not None:
        return (replace(row, version=event.version, sequence=event.sequence) if row else None), reason
    row = row or _new(event, body)
    if event.type == "work_completed" and to == "done" and open_subs:
        to = "in_review"  # its own part is done; ISSUE_DONE ends it when its sub-issues are
    return _apply(row, to or row.state, event, body), None


def destination(type_: str, body: dict[str, Any], state: State | None) -> tuple[State | None, str | None]:
    """``verdict`` of an event with its body, which names the state after it for some."""
    to, reason = verdict(type_, state)
    if reason is None and type_ == "work_completed" and body.get("state") == "done":
        to = "done"
    if reason is None and type_ == "work_failed" and body.get("terminal"):
        to = "failed"
    return to, reason


def _held_by_another(row: IssueRow | None, event: Event, body: dict[str, Any]) -> str | None:
    if row is None or row.state not in WORKING or event.type not in ("work_started", "agent_stuck", "issue_unassigned"):
        return None
    if row.agent is not None and body.get("agentId", row.agent) != row.agent:
        return f"the issue is held by {row.agent}"
    return None


def _new(event: Event, body: dict[str, Any]) -> IssueRow:
    repo, number = identity.split_issue(event.stream)
    return IssueRow(
        stream=event.stream, repo=repo or body.get("repo"), number=number, identifier=event.stream, created_at=event.at
    )


def _apply(row: IssueRow, to: State, event: Event, body: dict[str, Any]) -> IssueRow:
    kind = event.type
    changes: dict[str, Any] = {"state": to, "updated_at": event.at, "version": event.version, "sequence": event.sequence}
    entering = row.version == 0 or row.state != to
    if kind in ("issue_approved", "issue_needs_human"):
        changes |= _told(body)
        if row.state in TERMINAL:
            changes |= {"attempt": row.attempt + 1, "job": None, "agent": None, "execution": None, "lease": None}
        changes["reason"] = body.get("reason") if kind == "issue_needs_human" else None
        changes["orphan_status"] = "needs_human" if kind == "issue_needs_human" else None
        changes["not_before"] = 0
        if kind == "issue_approved":
            changes["approved_sequence"] = event.sequence
    elif kind == "issue_edited":
        changes |= _told(body)
    elif kind == "issue_orphaned":
        changes["orphan_status"] = "orphan"
    elif kind in ("issue_assigned", "lease_granted"):
        changes |= {
            "agent": body.get("agentId"),
            "lease": body.get("leaseId"),
            "fence": max(row.fence, body.get("fence") or 0),
            "job": body.get("jobId") or row.job,
            "orphan_status": None,
            "reason": None,
            "steerable": None,
        }
    elif kind == "work_started":
        going_on = row.execution if row.state in WORKING else None
        changes |= {"agent": body.get("agentId"), "execution": body.get("executionId") or going_on or event.id, "reason": None}
        changes["steerable"] = body["steers"] if isinstance(body.get("steers"), bool) else None
    elif kind == "changes_requested" and row.state not in WORKING:
        changes["execution"] = None  # what ended with the review is not gone on with
    elif kind in question.EVENTS:
        changes |= question.changes(row, event.type, body)
    elif kind in steer.EVENTS:
        changes |= steer.changes(row, event.type, body)
    elif kind == "human_gate_triggered":
        changes["gate"] = body.get("reason") or "a person must look at it"
    elif kind == "review_passed":
        changes["gate"] = None
    elif kind == "review_assigned":
        changes["reviewer"] = body.get("agentId")
    if "branch" in body and kind in ("work_started", "branch_created", "pr_created", "work_completed"):
        changes["branch"] = body["branch"] or row.branch
    if kind == "pr_created":
        changes |= {"pr_number": body.get("prNumber"), "pr_url": body.get("prUrl"), "review": None, "ci": None}
        if body.get("prNumber") != row.pr_number:  # told again of the same one, its reviewer stays
            changes["reviewer"] = None
    elif kind in _GATE:
        changes |= _GATE[kind]
    if to in WAITING and entering and row.version:  # handed back
        if row.state in WORKING:
            again = row.attempt + (0 if body.get("uncounted") else 1)
            changes |= {"attempt": again, "agent": None, "lease": None, "execution": None}
            changes["reason"] = body.get("reason") or kind
        changes["not_before"] = retry_at(body) if kind in ("work_failed", "lease_released") else 0
    if to in ("failed", "cancelled"):
        changes["reason"] = body.get("reason") or kind
    if to in WAITING and (entering or kind in ("issue_approved", "issue_unassigned")):
        changes |= {"queued_at": event.at, "queued_sequence": event.sequence}
    if to not in WORKING:
        changes |= {"lease": None, "questions": (), "steers": steer.kept(row, to)}
    if to != "in_review":
        changes |= {"gate": None, "reviewer": None}
    return replace(row, **changes)


def _told(body: dict[str, Any]) -> dict[str, Any]:
    """What an event says of what is to be done."""
    told: dict[str, Any] = {field: body[field] for field in ("title", "description", "url", "parent") if field in body}
    if "labels" in body:
        told["labels"] = tuple(body["labels"])
    if "priority" in body:
        told["priority"] = priority.rank(body["priority"])
    if "dependsOn" in body:
        told["depends_on"] = tuple(body["dependsOn"])
    if isinstance(body.get("milestone"), str):
        told["milestone"] = body["milestone"]
    return told


def retry_at(body: dict[str, Any]) -> int:
    """Microseconds at which a failed issue may be tried again; 0 is at once."""
    value = body.get("retryAt")
    return value if isinstance(value, int) else 0


def open_subs(stream: str, tables: Tables) -> int:
    """How many sub-issues of an epic are not done or cancelled."""
    return sum(1 for _, link in tables.scan(LINKS, f"sub\n{stream}\n") if link.open)


def _relink(before: IssueRow | None, after: IssueRow, tables: Tables) -> None:
    """Keep the edges to blockers and parent, and tell dependents when this issue is done or open again."""
    old_deps, old_parent = (before.depends_on, before.parent) if before else ((), None)
    if after.depends_on != old_deps:
        for gone in set(old_deps) - set(after.depends_on):
            tables.delete(LINKS, f"dep\n{gone}\n{after.stream}")
        for blocker in after.depends_on:
            found = tables.get(ISSUES, blocker)
            tables.put(LINKS, f"dep\n{blocker}\n{after.stream}", LinkRow(open=found is None or found.state != "done"))
    if old_parent and after.parent != old_parent:
        tables.delete(LINKS, f"sub\n{old_parent}\n{after.stream}")
    if after.parent:
        is_open = after.state not in ("done", "cancelled")
        link = tables.get(LINKS, f"sub\n{after.parent}\n{after.stream}")
        if link is None or link.open != is_open:
            tables.put(LINKS, f"sub\n{after.parent}\n{after.stream}", LinkRow(open=is_open))
    was_done, is_done = before is not None and before.state == "done", after.state == "done"
    if was_done != is_done:
        _tell_dependents(after.stream, not is_done, tables)


def _tell_dependents(blocker: str, is_open: bool, tables: Tables) -> None:
    prefix = f"dep\n{blocker}\n"
    for key, link in list(tables.scan(LINKS, prefix)):
        if link.open == is_open:
            continue
        tables.put(LINKS, key, replace(link, open=is_open))
        blocked = tables.get(QUEUE, key[len(prefix) :])
        if blocked is not None:
            tables.put(QUEUE, blocked.stream, replace(blocked, open_deps=blocked.open_deps + (1 if is_open else -1)))


def _requeue(before: IssueRow | None, row: IssueRow, event: Event, tables: Tables) -> None:
    """The queue holds exactly the issues that wait for an agent (R0-27)."""
    if row.state not in WAITING:
        if before is not None and before.state in WAITING:
            tables.delete(QUEUE, row.stream)
        return
    tables.put(
        QUEUE,
        row.stream,
        QueueRow(
            stream=row.stream,
            rank=row.priority,
            queued_sequence=row.queued_sequence,
            open_deps=sum(1 for d in row.depends_on if _blocks(d, row.stream, tables)),
            not_before=row.not_before,
            held=row.orphan_status if row.orphan_status == "needs_human" else None,
            version=event.version,
            sequence=event.sequence,
        ),
    )


def _blocks(blocker: str, blocked: str, tables: Tables) -> bool:
    link = tables.get(LINKS, f"dep\n{blocker}\n{blocked}")
    return link is not None and link.open


def fold_log_sealed(event: Event, body: dict[str, Any], tables: Tables) -> None:
    """A sealed segment: its digest in ``segments``, its lines in the execution's count."""
    execution, first = body["executionId"], body["first"]
    tables.put(
        SEGMENTS,
        f"{execution}\n{first:010d}",
        SegmentRow(
            execution=execution,
            first=first,
            lines=body["lines"],
            bytes=body["bytes"],
            digest=body["digest"],
            version=event.version,
            sequence=event.sequence,
        ),
    )
    row = tables.get(EXECUTIONS, execution)
    if row is not None:
        tables.put(EXECUTIONS, execution, replace(row, logs=max(row.logs, first + body["lines"] - 1)))
    issue = tables.get(ISSUES, event.stream)
    if issue is not None:
        tables.put(ISSUES, event.stream, replace(issue, version=event.version, sequence=event.sequence))
