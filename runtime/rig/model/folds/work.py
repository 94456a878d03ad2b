"""What an issue's events mean for the record of work: lease, job and execution."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from rig.model.events import Event
from rig.model.rows import ExecutionRow, IssueRow, LeaseRow
from rig.model.states import WAITING, WORKING
from rig.model.tables import EXECUTIONS, JOBS, LEASES, Tables

_LEASE_END = {"work_completed": "completed", "work_failed": "failed", "lease_expired": "expired"}
_EXECUTION_END = {
    "work_completed": "completed",
    "issue_done": "completed",
    "issue_forced_done": "completed",
    "agent_stuck": "stuck",
}

STEPS = frozenset({"work_started", "branch_created", "cli_started", "cli_completed", "execution_progressed", "token_usage"})
"""Events that are steps of an execution."""


def execution_of(row: IssueRow | None, type_: str, body: Mapping[str, Any]) -> str | None:
    """The execution that a step belongs to: the one it names, else the issue's own (of usage, only its agent's)."""
    named = body.get("executionId")
    if isinstance(named, str) and named:
        return named
    if row is None or (type_ == "token_usage" and row.agent != body.get("agentId")):
        return None
    return row.execution


def follow(before: IssueRow | None, after: IssueRow, event: Event, body: dict[str, Any], tables: Tables) -> IssueRow:
    """Keep lease, execution and job in step with an issue whose event applied; returns the issue's row."""
    kind = event.type
    if kind in ("issue_assigned", "lease_granted") and body.get("leaseId"):
        _grant(after, event, body, tables)
    if kind == "work_started":
        _open(before, after, event, body, tables)
    elif kind == "pr_created" and after.execution:
        _set_pr(after, tables)
    if kind in STEPS:
        _count(after, event, body, tables)
    if before is not None and before.state in WORKING and after.state not in WORKING:
        _end(before, after, event, body, tables)
    _mirror(after, event, body, tables)
    return after


def _grant(row: IssueRow, event: Event, body: dict[str, Any], tables: Tables) -> None:
    tables.put(
        LEASES,
        body["leaseId"],
        LeaseRow(
            id=body["leaseId"],
            issue=row.stream,
            job=body.get("jobId") or "",
            agent=body["agentId"],
            fence=body["fence"],
            seconds=body.get("leaseSeconds") or 0,
            granted_at=event.at,
            version=event.version,
            sequence=event.sequence,
        ),
    )


def _open(before: IssueRow | None, row: IssueRow, event: Event, body: dict[str, Any], tables: Tables) -> None:
    """Begin the execution that the issue has now, unless it has begun; one that ended stays as it is (I13)."""
    execution = row.execution or event.id
    if before is not None and before.execution not in (None, execution):
        _close(before, row, event, {"reason": "work was started anew"}, tables)
    found = tables.get(EXECUTIONS, execution)
    if found is not None:
        if found.status == "running" and found.issue == row.stream:
            tables.put(EXECUTIONS, execution, replace(found, branch=body.get("branch") or found.branch))
        return
    tables.put(
        EXECUTIONS,
        execution,
        ExecutionRow(
            id=execution,
            job=row.job,
            issue=row.stream,
            repo=row.repo,
            number=row.number,
            pr_number=row.pr_number,
            agent=body["agentId"],
            lease=row.lease,
            attempt=row.attempt,
            started_at=event.at,
            provider=body.get("provider"),
            model=body.get("model"),
            branch=body.get("branch"),
            workspace=body.get("workspace"),
            process_group=body.get("processGroup"),
            process_started=body.get("processStarted"),
            version=event.version,
            sequence=event.sequence,
        ),
    )


def _count(row: IssueRow, event: Event, body: dict[str, Any], tables: Tables) -> None:
    found = tables.get(EXECUTIONS, execution_of(row, event.type, body) or "")
    if found is None or found.issue != row.stream:
        return
    changes: dict[str, Any] = {"steps": found.steps + 1}
    if event.type in ("cli_completed", "execution_progressed") and isinstance(body.get("turns"), int):
        changes["turns"] = body["turns"]
    if isinstance(body.get("processGroup"), int):
        changes |= {"process_group": body["processGroup"], "process_started": body.get("processStarted")}
    if event.type == "execution_progressed" and body.get("sessionId"):
        changes |= {"session": body["sessionId"], "home": body.get("home")}
    tables.put(EXECUTIONS, found.id, replace(found, **changes))


def _set_pr(row: IssueRow, tables: Tables) -> None:
    found = tables.get(EXECUTIONS, row.execution or "")
    if found is not None:
        tables.put(EXECUTIONS, found.id, replace(found, pr_number=row.pr_number))


def _end(before: IssueRow, after: IssueRow, event: Event, body: dict[str, Any], tables: Tables) -> None:
    reason = body.get("reason")
    lease = tables.get(LEASES, before.lease) if before.lease else None
    if lease is not None and lease.state == "live":
        state: Any = _LEASE_END.get(event.type, "released")
        tables.put(LEASES, lease.id, replace(lease, state=state, ended_at=event.at, reason=reason or event.type))
    _close(before, after, event, body, tables)


def _close(before: IssueRow, after: IssueRow, event: Event, body: dict[str, Any], tables: Tables) -> None:
    """End the execution that the issue had; a cancelled one is listed as failed (conventions §8)."""
    execution = tables.get(EXECUTIONS, before.execution) if before.execution else None
    if execution is not None and execution.status == "running" and execution.issue == after.stream:
        status: Any = _EXECUTION_END.get(event.type)
        if status is None:
            status = "completed" if after.state in ("in_review", "deploying", "done") else "failed"
        reason = "cancelled" if after.state == "cancelled" else body.get("reason") or event.type
        tables.put(
            EXECUTIONS,
            execution.id,
            replace(
                execution,
                status=status,
                completed_at=event.at,
                reason=None if status == "completed" else reason,
                commit=body.get("commit") or execution.commit,
                result=body.get("result") or execution.result,
                branch=after.branch or execution.branch,
                session=body.get("sessionId"),  # whatever ends it says whether it can be gone on with
                home=body.get("home"),
                turns=body["turns"] if isinstance(body.get("turns"), int) else execution.turns,
                pr_number=after.pr_number,
            ),
        )


def _mirror(row: IssueRow, event: Event, body: dict[str, Any], tables: Tables) -> None:
    """The job that carries an issue is in the issue's state."""
    job = tables.get(JOBS, row.job) if row.job else None
    if job is None or job.state in ("done", "cancelled"):
        return
    state = "done" if row.state in ("in_review", "deploying") else row.state
    changes: dict[str, Any] = {"state": state, "execution": row.execution or job.execution, "agent": row.agent or job.agent}
    if event.type == "work_started":
        changes |= {
            "attempts": job.attempts + (0 if job.execution == row.execution else 1),
            "started_at": job.started_at or event.at,
            "provider": body.get("provider") or job.provider,
            "model": body.get("model") or job.model,
        }
    if state in ("done", "failed", "cancelled") and job.ended_at is None:
        changes |= {"ended_at": event.at, "result": body.get("result") or job.result}
    if state in ("failed", "cancelled") or state in WAITING:
        changes["reason"] = row.reason
    if changes != {name: getattr(job, name) for name in changes}:
        tables.put(JOBS, job.id, replace(job, **changes))
