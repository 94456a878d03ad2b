"""Why an issue is where it is: which rule or event keeps it there. Pure: rows, timers and the configuration go in, reasons come out."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from rig.clock import Micros, iso
from rig.model import priority
from rig.model.events import Event
from rig.model.folds.issue import step
from rig.model.rows import IssueRow, JobRow, LeaseRow, QuestionRow, QueueRow, State, UnappliedRow
from rig.model.states import TERMINAL

REFUSED = 5
"""Newest refused events that are shown."""
SHOWN = 20
"""Sub-issues and blockers that are named one by one."""


class Reason(msgspec.Struct, frozen=True):
    """One reason. ``code`` is for programs, ``text`` for people, ``sequence`` names the event."""

    code: str
    text: str
    sequence: int | None = None


class Cause(msgspec.Struct, frozen=True):
    """The event that brought something about."""

    type: str
    sequence: int
    at: Micros
    agent: str | None = None
    reason: str | None = None


class History(msgspec.Struct, frozen=True):
    """What an issue's events say about its present state."""

    entered: Cause | None = None
    """What brought it into its state."""
    declared: int | None = None
    """Sequence of the event that named its dependencies."""
    gated: int | None = None
    reviewed: int | None = None
    checked: int | None = None
    pr: int | None = None


class Blocker(msgspec.Struct, frozen=True):
    """An issue that must be done first; ``state`` None: Rig has never heard of it."""

    stream: str
    state: State | None
    cycle: tuple[str, ...] = ()


class Fleet(msgspec.Struct, frozen=True):
    """Who could take an issue."""

    online: int = 0
    """Agents that were heard of lately, without the daemon's own."""
    dispatch: bool = False
    """Whether the daemon's own slots take issues."""
    slots: int = 0
    busy: int = 0


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the reasons of one issue depend on, read in one snapshot."""

    row: IssueRow
    now: Micros
    history: History = History()
    queue: QueueRow | None = None
    ahead: int = 0
    """Issues that may be handed out before it."""
    ready: int = 0
    """Issues that may be handed out, itself included."""
    blockers: tuple[Blocker, ...] = ()
    cycle: tuple[str, ...] = ()
    subs: tuple[str, ...] = ()
    """Open sub-issues."""
    lease: LeaseRow | None = None
    lease_until: Micros | None = None
    questions: tuple[QuestionRow, ...] = ()
    unapplied: tuple[UnappliedRow, ...] = ()
    fleet: Fleet = Fleet()
    required_labels: tuple[str, ...] = ()


def history(events: Iterable[Event], unapplied: frozenset[int]) -> History:
    """Read an issue's events, oldest first; ``unapplied`` are the sequences of those that changed nothing."""
    row: IssueRow | None = None
    found: dict[str, Any] = {}
    marks = {
        "human_gate_triggered": "gated",
        "review_passed": "reviewed",
        "review_disputed": "reviewed",
        "changes_requested": "reviewed",
        "ci_passed": "checked",
        "ci_failed": "checked",
        "pr_created": "pr",
    }
    for event in events:
        if event.sequence in unapplied:
            continue
        body = msgspec.json.decode(event.body) if event.body else {}
        before, (row, _) = row, step(row, event, body)
        if row is None:
            continue
        if before is None or before.state != row.state or (event.type == "issue_needs_human"):
            reason = body.get("reason")
            found["entered"] = Cause(
                event.type, event.sequence, event.at, body.get("agentId"), reason if isinstance(reason, str) else None
            )
        if before is None or before.depends_on != row.depends_on:
            found["declared"] = event.sequence
        if event.type in marks:
            found[marks[event.type]] = event.sequence
    return History(**found)


def why(facts: Facts) -> list[Reason]:
    """The reasons, what weighs most first."""
    row = facts.row
    reasons: list[Reason] = []
    match row.state:
        case "queued" | "retry_wait":
            reasons += _waiting(facts)
        case "assigned" | "in_progress" | "blocked" | "stuck":
            reasons += _working(facts)
        case "in_review":
            reasons += _in_review(facts)
        case "deploying":
            reasons.append(_entered(facts, "deploying", "it is deploying, and ends with ISSUE_DONE"))
        case "done":
            reasons.append(_entered(facts, "done", "it is done"))
        case "failed":
            reasons.append(_entered(facts, "failed", "it failed", row.reason))
        case "cancelled":
            reasons.append(_entered(facts, "cancelled", "it was cancelled", row.reason))
    if facts.subs and row.state not in TERMINAL:
        named = _named(facts.subs)
        reasons.append(Reason("open_sub_issues", f"it cannot be done before its sub-issues are: {named}"))
    reasons += _refused(facts)
    return reasons


def job(row: JobRow, issue: Sequence[Reason]) -> list[Reason]:
    """The reasons of a job: those of the issue that it carries, or how it ended."""
    if row.state in ("done", "failed", "cancelled"):
        text = {"done": "it is done", "failed": "it failed", "cancelled": "it was cancelled"}[row.state]
        return [Reason(row.state, f"{text}: {row.reason}" if row.reason and row.state != "done" else text, row.sequence)]
    carried = [Reason("carries", f"it carries {row.issue}, whose reasons these are", row.sequence)] if row.issue else []
    return [*carried, *issue]


def _entered(facts: Facts, code: str, text: str, reason: str | None = None) -> Reason:
    cause = facts.history.entered
    if cause is None:
        return Reason(code, f"{text}: {reason}" if reason else text)
    why_ = f": {reason}" if reason and reason != cause.type else ""
    return Reason(code, f"{text} since {iso(cause.at)} by {cause.type.upper()}{why_}", cause.sequence)


def _named(streams: Sequence[str]) -> str:
    rest = len(streams) - SHOWN
    return ", ".join(streams[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _waiting(facts: Facts) -> Iterator[Reason]:
    row, history_ = facts.row, facts.history
    if row.orphan_status == "needs_human":
        why_ = f" ({row.reason})" if row.reason else ""
        missing = [label for label in facts.required_labels if label not in row.labels]
        labels = f"; it lacks the labels {', '.join(missing)}" if missing else ""
        yield Reason(
            "held",
            f"it is held for a person{why_}{labels}: rig answer approval:{row.stream} --approve",
            history_.entered.sequence if history_.entered else None,
        )
    if facts.cycle:
        way = " -> ".join(facts.cycle)
        yield Reason("cycle", f"it waits for itself: {way}; post ISSUE_APPROVED with another dependsOn", history_.declared)
    for blocker in facts.blockers[:SHOWN]:
        state = "not known to Rig" if blocker.state is None else blocker.state
        text = f"it waits for {blocker.stream}, which is {state}"
        if blocker.cycle and not facts.cycle:
            text += f" and in a cycle: {' -> '.join(blocker.cycle)}"
        yield Reason("depends_on", text, history_.declared)
    if len(facts.blockers) > SHOWN:
        yield Reason("depends_on", f"and for {len(facts.blockers) - SHOWN} more", history_.declared)
    if row.not_before > facts.now:
        why_ = f" ({row.reason})" if row.reason else ""
        until = iso(row.not_before)
        yield _entered(facts, "retry_wait", f"it may not be tried again before {until}{why_}")
    if facts.queue is None or not facts.queue.ready or row.not_before > facts.now:
        return
    if row.attempt > 1 and row.reason:
        yield _entered(facts, "handed_back", f"attempt {row.attempt - 1} ended", row.reason)
    if facts.ahead:
        rank = priority.name(row.priority)
        place = f"it is number {facts.ahead + 1} of {facts.ready} in the queue, with priority {rank}"
        yield Reason("behind", place, row.queued_sequence or None)
    else:
        yield Reason("next", "it is the next one that is handed out", row.queued_sequence or None)
    yield from _nobody(facts.fleet)


def _nobody(fleet: Fleet) -> Iterator[Reason]:
    """Why nobody takes what is next, as far as the store and the configuration can tell."""
    if fleet.dispatch and fleet.busy >= fleet.slots:
        yield Reason("slots_full", f"all {fleet.slots} slots of this daemon are taken")
    if not fleet.dispatch:
        yield Reason("dispatch_off", "this daemon's own slots take no issues: dispatch.enabled is false")
    if not fleet.online:
        yield Reason("no_agents", "no other agent was heard of in the last two minutes")


def _working(facts: Facts) -> Iterator[Reason]:
    row, lease = facts.row, facts.lease
    for question in facts.questions:
        until = f" until {iso(question.deadline)}" if question.deadline is not None else ""
        yield Reason(
            "question", f"{question.agent} asks{until}: {question.question}; rig answer {question.id}", question.sequence
        )
    who = row.agent or "an agent"
    doing = "has it and has not begun" if row.state == "assigned" else "works on it"
    yield _entered(facts, row.state, f"{who} {doing}, attempt {row.attempt}")
    if lease is None:
        yield Reason("no_lease", f"there is no lease: it is {who}'s until an event says otherwise or {who} falls silent")
    else:
        until = f" until {iso(facts.lease_until)}" if facts.lease_until is not None else ""
        yield Reason("lease", f"under lease {lease.id} with fence {lease.fence}{until}, unless renewed", lease.sequence)


def _in_review(facts: Facts) -> Iterator[Reason]:
    row, history_ = facts.row, facts.history
    pull = f" (pull request {row.pr_url or row.pr_number})" if row.pr_url or row.pr_number else ""
    if row.gate is not None:
        yield Reason("gate", f"a person must look at it: {row.gate}; rig answer gate:{row.stream}", history_.gated)
    yield _entered(facts, "in_review", f"it is in review{pull}")
    if row.reviewer is not None:
        yield Reason("reviewer", f"{row.reviewer} reviews it")
    elif row.review is None:
        yield Reason("no_reviewer", "nobody reviews it yet: GET /api/reviews/next offers it, REVIEW_ASSIGNED takes it")
    if row.review is not None:
        yield Reason("review", f"the review says {row.review}", history_.reviewed)
    if row.ci is not None:
        yield Reason("ci", f"the checks {row.ci}", history_.checked)
    if row.review == "passed" and row.ci == "passed":
        yield Reason("mergeable", "it may be merged; Rig never merges by itself: MERGED or ISSUE_DONE ends the review")


def _refused(facts: Facts) -> list[Reason]:
    """Events since it came into its state that did not apply; they are often what people wonder about."""
    since = facts.history.entered.sequence if facts.history.entered else 0
    late = sorted((u for u in facts.unapplied if u.sequence > since), key=lambda u: u.sequence)[-REFUSED:]
    return [Reason("refused", f"an event came that changed nothing: {u.reason}", u.sequence) for u in late]
