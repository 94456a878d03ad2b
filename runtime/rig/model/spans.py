"""Traces: an issue's whole journey as spans, read from its events and stored nowhere (conventions §4).

The root is the issue. Below it lie, one after the other, what its states mean: waits in the queue, attempts, reviews,
deployments; below an attempt its lease and its executions, and below those what happened at one moment or between two events.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Literal

import msgspec

from rig.clock import Micros
from rig.model.events import Event
from rig.model.folds import FOLDS, issue
from rig.model.folds.usage import tokens_of
from rig.model.rows import IssueRow, State, Tokens
from rig.model.states import TERMINAL, WAITING, WORKING
from rig.model.upcasters import upcast

Kind = Literal[
    "issue", "queue", "attempt", "lease", "execution", "cli", "step", "question", "review", "deploy", "stage", "check"
]
Status = Literal["running", "completed", "failed", "stuck", "cancelled"]

LONGEST_NAME = 200
"""Characters of a name that come from an event."""

_ENDS: dict[str, Status] = {
    "agent_stuck": "stuck",
    "work_failed": "failed",
    "lease_expired": "failed",
    "lease_released": "failed",
    "issue_unassigned": "failed",
    "escalated": "failed",
    "issue_cancelled": "cancelled",
    "issue_aborted": "cancelled",
}
"""How an event ends what was going on; any other one completes it."""

_CHECKS: dict[str, Status] = {
    "ci_passed": "completed",
    "ci_failed": "failed",
    "review_passed": "completed",
    "review_disputed": "failed",
    "changes_requested": "failed",
    "human_gate_triggered": "completed",
    "human_gate_reminder": "completed",
    "smoke_passed": "completed",
    "smoke_failed": "failed",
    "e2e_passed": "completed",
    "e2e_failed": "failed",
    "verified": "completed",
}
"""What others say of the work: a moment each, in the phase during which it came."""

TERMINAL_STATUS: dict[State, Status] = {"done": "completed", "failed": "failed", "cancelled": "cancelled"}
"""How the root reads once the issue has ended."""


class Span(msgspec.Struct, kw_only=True):
    """A stretch of an issue's life."""

    id: str
    """16 lowercase hex digits."""
    parent: str | None
    """None for the root alone."""
    name: str
    kind: Kind
    start: Micros
    end: Micros | None = None
    """None while it lasts."""
    status: Status = "running"
    tokens: Tokens = Tokens()
    """With those of everything below it."""
    cost: int = 0
    """Picodollars, likewise."""


def stream_mark(tenant: str, stream: str) -> str:
    """The first half of the trace id of a stream: 16 hex digits."""
    return sha256(f"{tenant}\n{stream}".encode()).hexdigest()[:16]


def trace_id(tenant: str, stream: str, first: int) -> str:
    """The W3C id of the trace of a stream whose first event has the sequence ``first``; the same after every rebuild.

    It ends in the sequence, so that ``first_of`` leads back to the stream without an index.
    """
    return f"{stream_mark(tenant, stream)}{first:016x}"


def first_of(trace: str) -> int:
    """The sequence of the first event of the stream that a trace id is of."""
    return int(trace[16:], 16)


def spans(tenant: str, events: Iterable[Event], unapplied: Mapping[int, Any]) -> list[Span]:
    """The spans of one issue's events, parents before their children; empty without events.

    ``unapplied`` has the sequences of events that the state machine could not apply: they change nothing here either.
    """
    ordered = sorted(events, key=lambda event: event.sequence)
    if not ordered:
        return []
    journey = _Journey(trace_id(tenant, ordered[0].stream, ordered[0].sequence), ordered[0])
    for event in ordered:
        journey.take(event, applied=event.sequence not in unapplied)
    return journey.summed()


class _Journey:
    """What is open while the events go by."""

    def __init__(self, trace: str, first: Event) -> None:
        self._trace = trace
        self._now = first.at
        self._spans: list[Span] = []
        self._children: dict[str, list[Span]] = {}
        self._row: IssueRow | None = None
        self._root = self._open(None, "issue", first.stream, first)
        self._phase: Span | None = None
        self._execution: Span | None = None
        self._executions: dict[str, Span] = {}
        self._questions: dict[str, Span] = {}

    def take(self, event: Event, *, applied: bool) -> None:
        """Let one event happen. Time never goes back, whatever the event says."""
        self._now = max(self._now, event.at)
        body = upcast(event.type, msgspec.json.decode(event.body), event.meta) if event.body else {}
        if event.type == "token_usage":
            self._spend(event, body)
        elif applied:
            if event.type == "changes_requested":  # a verdict of the review that it ends
                self._note(event, body)
            before = self._row
            if issue.fold in FOLDS.get(event.type, ()):
                self._row = issue.step(before, event, body)[0]
                if self._row is not None:
                    self._move(before, self._row, event)
            if event.type != "changes_requested" and self._root.end is None:
                self._note(event, body)

    def _move(self, before: IssueRow | None, after: IssueRow, event: Event) -> None:
        """Follow the issue's state from phase to phase."""
        if before is None or _phase(before.state) != _phase(after.state) or before.attempt != after.attempt:
            ending = _ENDS.get(event.type, "completed")
            if self._phase is not None:
                self._close(self._phase, ending)
                self._phase = self._execution = None
            if after.state in TERMINAL:
                self._root.end, self._root.status = self._now, TERMINAL_STATUS[after.state]
                return
            self._root.end, self._root.status = None, "running"
            kind = _phase(after.state)
            name = f"attempt {after.attempt}" if kind == "attempt" else "retry wait" if after.state == "retry_wait" else kind
            self._phase = self._open(self._root, kind, name, event)
        elif after.state in TERMINAL:  # forced done after it had failed
            self._root.end, self._root.status = self._now, TERMINAL_STATUS[after.state]
        if self._phase is None:
            return
        if event.type == "issue_assigned" and after.lease:
            self._open(self._phase, "lease", f"lease of {after.agent}", event)
        if event.type == "work_started" and after.execution and after.execution not in self._executions:
            if self._execution is not None:
                self._close(self._execution, "failed")
            self._execution = self._open(self._phase, "execution", f"{after.agent} works", event)
            self._executions[after.execution] = self._execution

    def _note(self, event: Event, body: dict[str, Any]) -> None:
        """What an event adds within a phase: program runs, steps, questions, verdicts, deployments."""
        here = self._execution or self._phase or self._root
        match event.type:
            case "cli_started":
                self._open(here, "cli", _text(body, "command", "name") or "program", event)
            case "cli_completed":
                self._completed(here, event, body)
            case "execution_progressed" if _text(body, "message", "question"):
                self._moment(here, "step", _text(body, "message", "question"), event)
            case "question_asked":
                asked = self._open(here, "question", _text(body, "question") or "question", event)
                self._questions[str(body.get("questionId"))] = asked
            case "question_answered" | "question_expired":
                asked = self._questions.get(str(body.get("questionId")), self._root)
                if asked.kind == "question" and asked.end is None:
                    self._close(asked, "cancelled" if body.get("decision") == "deny" else "completed")
            case "steer_requested":
                self._moment(here, "step", f"told: {_text(body, 'message')}", event)
            case "deployed_staging" | "deployed_production" if self._phase is not None:
                for stage in self._open_below(self._phase, "stage"):
                    self._close(stage, "completed")
                self._open(self._phase, "stage", event.type.removeprefix("deployed_"), event)
            case kind if kind in _CHECKS:
                where = self._last_open(self._phase, "stage") or self._phase or self._root
                self._moment(where, "check", kind.replace("_", " "), event, _CHECKS[kind], body.get("durationMs"))

    def _completed(self, here: Span, event: Event, body: dict[str, Any]) -> None:
        """A program's end: of the run that is open, else of one that nobody announced."""
        status: Status = "completed" if body.get("exitCode") in (0, None) else "failed"
        run = self._last_open(here, "cli")
        if run is None:
            name = _text(body, "command", "name") or "program"
            self._moment(here, "cli", name, event, status, body.get("durationMs"))
        else:
            self._close(run, status)

    def _spend(self, event: Event, body: dict[str, Any]) -> None:
        """Tokens and cost belong to the deepest span in which they fell; late ones to the execution that they name."""
        named = self._executions.get(str(body.get("executionId")))
        if named is None and self._row is not None and self._row.agent == body.get("agentId"):
            named = self._execution
        where = named or self._phase or self._root
        where = self._last_open(where, "cli") or where
        where.tokens += tokens_of(body)
        where.cost += _counted(event)

    def _open(self, parent: Span | None, kind: Kind, name: str, event: Event) -> Span:
        digest = sha256(f"{self._trace}\n{event.sequence}\n{kind}".encode()).hexdigest()[:16]
        span = Span(id=digest, parent=parent.id if parent else None, name=name, kind=kind, start=self._now)
        self._spans.append(span)
        self._children[span.id] = []
        if parent is not None:
            self._children[parent.id].append(span)
        return span

    def _moment(
        self, parent: Span, kind: Kind, name: str, event: Event, status: Status = "completed", milliseconds: Any = None
    ) -> None:
        """A span that is told of when it is over; it lasted ``milliseconds``, as far as its parent did."""
        span = self._open(parent, kind, name, event)
        if isinstance(milliseconds, int) and milliseconds > 0:
            span.start = max(parent.start, self._now - milliseconds * 1000)
        span.end, span.status = self._now, status

    def _close(self, span: Span, status: Status, at: Micros | None = None) -> None:
        """End a span and what is open below it, now or at an earlier instant."""
        if span.end is None:
            for child in self._children[span.id]:
                self._close(child, status, at)
            span.end, span.status = self._now if at is None else at, status

    def _open_below(self, parent: Span, kind: Kind) -> list[Span]:
        return [child for child in self._children[parent.id] if child.kind == kind and child.end is None]

    def _last_open(self, parent: Span | None, kind: Kind) -> Span | None:
        found = self._open_below(parent, kind) if parent is not None else []
        return found[-1] if found else None

    def summed(self) -> list[Span]:
        """The spans, each with what its children spent; what the end of the issue left open ends with it."""
        if self._root.end is not None:
            for child in self._children[self._root.id]:
                self._close(child, self._root.status, self._root.end)
        by_id = {span.id: span for span in self._spans}
        for span in reversed(self._spans):  # children stand behind their parents
            if span.parent is not None:
                parent = by_id[span.parent]
                parent.tokens += span.tokens
                parent.cost += span.cost
        return self._spans


def _phase(state: State) -> Kind:
    if state in WAITING:
        return "queue"
    if state in WORKING:
        return "attempt"
    if state in TERMINAL:
        return "issue"
    return "review" if state == "in_review" else "deploy"


def _counted(event: Event) -> int:
    cost = msgspec.json.decode(event.meta).get("cost")
    return cost.get("counted", 0) if isinstance(cost, dict) else 0


def _text(body: Mapping[str, Any], *names: str) -> str:
    """The first of some fields that is a text, cut to a name's length; empty when none is."""
    for name in names:
        value = body.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()[:LONGEST_NAME]
    return ""
