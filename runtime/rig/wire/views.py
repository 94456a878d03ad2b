"""Rows and events as answers: the only place that says which field of a row is which field of the API."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from rig.clock import Micros, iso, iso_or_none
from rig.model import priority
from rig.model.costs import dollars
from rig.model.events import TYPES, Event
from rig.model.rows import (
    AgentRow,
    DeliveryRow,
    ExecutionRow,
    IssueRow,
    JobRow,
    KeyRow,
    LeaseRow,
    Tokens,
    UnappliedRow,
)
from rig.model.states import TERMINAL, VOCABULARY, transitions
from rig.wire.shapes import answers

encode = msgspec.json.encode

ONLINE = 120_000_000
"""Microseconds since the last heartbeat within which an agent is online (R0-34)."""

_NULL = msgspec.Raw(b"null")
_STATES = sorted(VOCABULARY)


def data(event: Event) -> msgspec.Raw:
    """The event's body as it was stored; null when it was erased."""
    return msgspec.Raw(event.body) if event.body else _NULL


def accepted(event: Event) -> answers.EventAccepted:
    """The answer to a posted event."""
    return answers.EventAccepted(stream_id=event.stream, type=event.type.upper(), timestamp=iso(event.at))


def result(event: Event) -> answers.EventResult:
    """An entry of a batch that was stored."""
    return answers.EventResult(
        stream_id=event.stream, type=event.type.upper(), timestamp=iso(event.at), sequence=event.sequence
    )


def stream_event(event: Event) -> answers.StreamEvent:
    """An event of ``GET /api/events/stream``, with the PascalCase name (R0-20)."""
    known = TYPES.get(event.type)
    return answers.StreamEvent(
        id=event.id, type=known.pascal if known else event.type, data=data(event), timestamp=iso(event.at)
    )


def tokens(count: Tokens) -> answers.TokenCounts:
    return answers.TokenCounts(
        input_tokens=count.input,
        output_tokens=count.output,
        cache_read_tokens=count.cache_read,
        cache_creation_tokens=count.cache_creation,
    )


def issue(row: IssueRow) -> answers.Issue:
    """IssueStatus (6.1)."""
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
        url=row.url,
        orphan_status=row.orphan_status,
        reason=row.reason,
        tokens=tokens(row.tokens),
        total_cost_usd=dollars(row.cost),
        queued_at=iso_or_none(row.queued_at),
        created_at=iso(row.created_at),
        updated_at=iso(row.updated_at),
        last_event_sequence=row.sequence,
    )


def _assigned(row: IssueRow) -> answers.AssignedIssue:
    return answers.AssignedIssue(number=row.number, repo=row.repo, title=row.title, milestone=row.milestone)


def assignment(row: IssueRow) -> answers.Assignment:
    """Next assignment, also an entry of the queue."""
    return answers.Assignment(
        stream_id=row.stream, issue=_assigned(row), priority=priority.name(row.priority), attempt=row.attempt
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


def agent(row: AgentRow, now: Micros) -> answers.Agent:
    """AgentStatus; definition fields are null until the agent is defined."""
    return answers.Agent(
        id=row.id,
        status=row.status,
        is_online=row.last_heartbeat is not None and now - row.last_heartbeat <= ONLINE,
        current_issue=row.number,
        current_repo=row.repo,
        active_provider=row.active_provider,
        available_providers=row.available_providers,
        providers=row.providers,
        integrations=row.integrations,
        last_model=row.last_model,
        last_heartbeat=iso_or_none(row.last_heartbeat),
        issues_completed=row.completed,
        issues_failed=row.failed,
    )


def _execution(row: ExecutionRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "job_id": row.job,
        "issue_id": row.issue,
        "repo": row.repo,
        "issue_number": row.number,
        "pr_number": row.pr_number,
        "agent_id": row.agent,
        "attempt": row.attempt,
        "status": row.status,
        "provider": row.provider,
        "model": row.model,
        "branch": row.branch,
        "started_at": iso(row.started_at),
        "completed_at": iso_or_none(row.completed_at),
        "duration_seconds": None if row.completed_at is None else max(0, (row.completed_at - row.started_at) // 1_000_000),
        "tokens": tokens(row.tokens),
        "total_cost_usd": dollars(row.cost),
        "total_turns": row.turns,
        "step_count": row.steps,
        "log_count": row.logs,
        "failed_reason": row.reason,
    }


def execution(row: ExecutionRow) -> answers.Execution:
    """ExecutionLogSummary (§1.4)."""
    return answers.Execution(**_execution(row))


STEPS = frozenset({"work_started", "cli_started", "cli_completed", "execution_progressed", "token_usage", "branch_created"})
"""Events of an issue that are steps of the execution during which they came."""


def execution_detail(row: ExecutionRow, events: Iterable[Event], logs: list[answers.LogLine]) -> answers.ExecutionDetail:
    """An execution with its steps, which are the issue's events of its time, and its last log lines."""
    end = row.completed_at
    steps = [
        answers.Step(sequence=e.sequence, at=iso(e.at), type=e.type, data=data(e))
        for e in events
        if e.type in STEPS and row.started_at <= e.at and (end is None or e.at <= end)
    ]
    return answers.ExecutionDetail(**_execution(row), commit=row.commit, result=row.result, steps=steps, logs=logs)


def _job(row: JobRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.type,
        "source": row.source,
        "agent_role": row.agent,
        "repo": row.issue.partition("#")[0] if row.issue and "#" in row.issue else None,
        "issue_id": row.issue,
        "status": VOCABULARY[row.state].job_status,
        "attempts": row.attempts,
        "created_at": iso(row.created_at),
        "processed_at": iso_or_none(row.started_at),
        "finished_at": iso_or_none(row.ended_at),
        "failed_reason": row.reason,
        "chain_id": None,
        "chain_depth": 0,
        "parent_job_id": None,
        "chain_path": [],
        "result": row.result,
    }


def job(row: JobRow) -> answers.Job:
    """An item of ``GET /api/jobs`` (2.5)."""
    return answers.Job(**_job(row))


def job_detail(row: JobRow, logs: list[str]) -> answers.JobDetail:
    """``GET /api/jobs/{id}`` (2.6)."""
    return answers.JobDetail(
        **_job(row),
        phase=VOCABULARY[row.state].job_phase,
        account_name=None,
        k8s_job_name=row.execution,
        executor_pod_name=None,
        returnvalue=row.result,
        logs=logs,
        workspace_setup=None,
        prompt_ref=None,
        provider=row.provider,
        model=row.model,
        priority=row.priority,
        execution_id=row.execution,
    )


def key(row: KeyRow) -> answers.Key:
    """A key as lists show it: by prefix."""
    return answers.Key(id=row.id, name=row.name, prefix=row.prefix, scopes=row.scopes, created_at=iso(row.created_at))


def delivery(row: DeliveryRow) -> answers.Delivery:
    return answers.Delivery(
        id=row.id,
        source=row.source,
        event=row.event,
        received_at=iso(row.at),
        matched=row.matched,
        ignored=row.ignored,
        streams=row.streams,
    )


def plugin(record: object) -> answers.Plugin:
    """A plugin's record (``rig.plugin.record.PluginRecord``), field by field."""
    return msgspec.convert(record, answers.Plugin, from_attributes=True)


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


def frame(event: Event) -> bytes:
    """An event as a server-sent event (conventions §4): id, type, and the envelope as data."""
    return (
        b'id: %d\nevent: %s\ndata: {"sequence":%d,"streamId":%s,"version":%d,"type":"%s","at":"%s","data":%s,"tenant":%s,"traceId":"%s"}\n\n'
        % (
            event.sequence,
            event.type.encode(),
            event.sequence,
            encode(event.stream),
            event.version,
            event.type.encode(),
            iso(event.at).encode(),
            event.body or b"null",
            encode(event.tenant),
            event.request_id.encode(),
        )
    )


def shown(view: str, row: Any, now: Micros) -> Any:
    """A row as the list of its view shows it; ``queue`` takes the issue's row."""
    match view:
        case "issues":
            return issue(row)
        case "queue":
            return assignment(row)
        case "agents":
            return agent(row, now)
        case "jobs":
            return job(row)
    raise KeyError(view)


def row_frame(view: str, key: str, row: object, sequence: int) -> bytes:
    """A changed row as a server-sent event without an id, so that it never moves a reader's cursor."""
    return b"event: row\ndata: %s\n\n" % encode({"view": view, "key": key, "row": row, "sequence": sequence})


def gap_frame(sequence: int, views: Iterable[str] = ()) -> bytes:
    """Says that something was not sent: events after ``sequence``, or rows of ``views`` that changed up to it."""
    body: dict[str, Any] = {"sequence": sequence}
    if views:
        body["views"] = sorted(views)
    return b"event: gap\ndata: %s\n\n" % encode(body)


HEARTBEAT = b": heartbeat\n\n"
OPENING = b"retry: 1500\n\n"
