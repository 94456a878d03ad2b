"""The one table of states: what each event does to an issue, and how each API words the result (conventions §8)."""

from typing import Literal, NamedTuple

from rig.model.rows import State

ConductorState = Literal["queued", "assigned", "in_progress", "in_review", "deploying", "done", "failed"]

CONDUCTOR_STATES: tuple[ConductorState, ...] = (
    "queued",
    "assigned",
    "in_progress",
    "in_review",
    "deploying",
    "done",
    "failed",
)
"""The closed set of R0-26, in the order of an issue's life."""


class Words(NamedTuple):
    """How one of Rig's states reads in each API; None where that API never shows it."""

    conductor: ConductorState
    execution: str | None
    orchestrator: str
    job_phase: str
    job_status: str
    run: str


VOCABULARY: dict[State, Words] = {
    "queued": Words("queued", None, "queued", "Pending", "waiting", "running"),
    "assigned": Words("assigned", "running", "running", "Running", "active", "running"),
    "in_progress": Words("in_progress", "running", "running", "Running", "active", "running"),
    "blocked": Words("in_progress", "running", "blocked", "Running", "active", "running"),
    "stuck": Words("in_progress", "stuck", "stalled", "Running", "active", "running"),
    "retry_wait": Words("queued", "failed", "retrying", "Pending", "waiting", "running"),
    "in_review": Words("in_review", "completed", "completed", "Succeeded", "completed", "completed"),
    "deploying": Words("deploying", "completed", "completed", "Succeeded", "completed", "completed"),
    "done": Words("done", "completed", "completed", "Succeeded", "completed", "completed"),
    "failed": Words("failed", "failed", "failed", "Failed", "failed", "failed"),
    "cancelled": Words("failed", None, "cancelled", "Cancelled", "cancelled", "cancelled"),
}

WAITING: frozenset[State] = frozenset({"queued", "retry_wait"})
WORKING: frozenset[State] = frozenset({"assigned", "in_progress", "blocked", "stuck"})
"""States in which an agent holds the issue."""
TERMINAL: frozenset[State] = frozenset({"done", "failed", "cancelled"})
OPEN: frozenset[State] = WAITING | WORKING | {"in_review", "deploying"}


class Rule(NamedTuple):
    """What an event does to an issue: ``from_`` goes to ``to``; in ``keep`` it applies and the state stays."""

    to: State
    from_: frozenset[State]
    keep: frozenset[State] = frozenset()
    creates: bool = False
    """Whether it may be the first that is heard of an issue."""


def _set(*states: State) -> frozenset[State]:
    return frozenset(states)


_REVIEW = Rule("in_review", WORKING | {"in_review"}, keep=_set("deploying"), creates=True)
_DEPLOY = Rule("deploying", _set("in_review", "deploying") | WORKING, creates=True)
_REQUEUE = Rule("queued", WORKING)

RULES: dict[str, Rule] = {
    "issue_approved": Rule("queued", WAITING | TERMINAL, creates=True),
    "issue_needs_human": Rule("queued", WAITING, creates=True),
    "issue_orphaned": Rule("queued", _set("queued"), keep=_set("retry_wait")),
    "issue_assigned": Rule("assigned", WAITING, creates=True),
    "lease_granted": Rule("assigned", _set("assigned")),
    "issue_unassigned": _REQUEUE,
    "work_started": Rule("in_progress", WAITING | (WORKING - {"blocked"}) | {"in_review"}, keep=_set("blocked"), creates=True),
    "branch_created": Rule("in_progress", WORKING - {"blocked"}, keep=_set("blocked", "in_review"), creates=True),
    "cli_started": Rule("in_progress", _set("in_progress"), keep=OPEN),
    "cli_completed": Rule("in_progress", _set("in_progress"), keep=OPEN),
    "execution_progressed": Rule("in_progress", _set("in_progress"), keep=WORKING),
    "pr_created": Rule("in_review", OPEN - {"deploying"}, keep=_set("deploying"), creates=True),
    "review_assigned": _REVIEW,
    "ci_passed": _REVIEW,
    "ci_failed": _REVIEW,
    "review_passed": _REVIEW,
    "review_disputed": _REVIEW,
    "human_gate_triggered": _REVIEW,
    "human_gate_reminder": _REVIEW,
    "changes_requested": Rule("in_progress", _set("in_review", "in_progress")),
    "merged": Rule("deploying", OPEN, creates=True),
    "deployed_staging": _DEPLOY,
    "deployed_production": _DEPLOY,
    "smoke_passed": _DEPLOY,
    "smoke_failed": _DEPLOY,
    "e2e_passed": _DEPLOY,
    "e2e_failed": _DEPLOY,
    "verified": _DEPLOY,
    "issue_done": Rule("done", OPEN),
    "issue_cancelled": Rule("cancelled", OPEN),
    "agent_stuck": _REQUEUE,
    "escalated": Rule("failed", OPEN),
    "work_completed": Rule("in_review", WORKING),
    "work_failed": Rule("retry_wait", WORKING),
    "lease_expired": _REQUEUE,
    "lease_released": _REQUEUE,
    "question_asked": Rule("blocked", WORKING),
    "question_answered": Rule("in_progress", _set("blocked")),
    "question_expired": Rule("in_progress", _set("blocked")),
    "steer_requested": Rule("in_progress", _set("in_progress"), keep=WORKING),
    "steer_delivered": Rule("in_progress", _set("in_progress"), keep=WORKING),
    "steer_rejected": Rule("in_progress", _set("in_progress"), keep=WORKING),
    "issue_forced_done": Rule("done", OPEN | _set("failed", "cancelled")),
    "issue_aborted": Rule("cancelled", OPEN | {"failed"}),
}
"""Events of an issue that change its state or need one; any other event of the stream always applies."""


def verdict(type_: str, state: State | None) -> tuple[State | None, str | None]:
    """(state after, None) when the event applies in ``state``, else (``state``, why not). ``None`` is an unknown issue."""
    rule = RULES.get(type_)
    if rule is None:
        return state, None
    if state is None:
        return (rule.to, None) if rule.creates else (None, "the issue is not known")
    if state in rule.from_:
        return rule.to, None
    if state in rule.keep:
        return state, None
    return state, f"{type_} does not apply in state {state}"


def transitions() -> dict[State, list[State]]:
    """State to the states that some event can take it to, sorted; what ``GET /api/v1/transitions`` shows."""
    after: dict[State, set[State]] = {s: set() for s in VOCABULARY}
    for rule in RULES.values():
        for state in rule.from_ - {rule.to}:
            after[state].add(rule.to)
    for state in WORKING:
        after[state] |= {"done", "failed"}  # work_completed and work_failed name their own target
    return {state: sorted(targets) for state, targets in after.items()}
