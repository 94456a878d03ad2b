"""Agents, executions and jobs as answers."""

from collections.abc import Iterable
from typing import Any

from rig.clock import Micros, iso, iso_or_none
from rig.model.costs import dollars
from rig.model.events import Event
from rig.model.folds.streams import BOUND
from rig.model.rows import (
    AgentRow,
    ExecutionRow,
    JobRow,
    StreamRow,
)
from rig.model.states import VOCABULARY
from rig.wire.shapes import answers
from rig.wire.views.events import data
from rig.wire.views.issues import tokens

ONLINE = 120_000_000
"""Microseconds since the last heartbeat within which an agent is online (R0-34)."""


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


GROUP = "agents"
"""The one consumer group of every stream (R0-57)."""


def agent_stream(row: StreamRow) -> answers.AgentStream:
    """What XINFO says of a stream; the lag is null while entries that were never delivered are trimmed away (R0-56)."""
    group = answers.StreamGroup(lag=None if row.lost else row.waiting, pending=row.pending)
    return answers.AgentStream(xlen=min(row.added, BOUND), groups={GROUP: group} if row.consumed else {})


def _execution(row: ExecutionRow, lines: int) -> dict[str, Any]:
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
        "log_count": max(row.logs, lines),
        "failed_reason": row.reason,
    }


def execution(row: ExecutionRow, lines: int = 0) -> answers.Execution:
    """ExecutionLogSummary (§1.4); ``lines`` were written so far, where the row counts those of sealed segments alone."""
    return answers.Execution(**_execution(row, lines))


def execution_detail(
    row: ExecutionRow, steps: Iterable[Event], logs: list[answers.LogLine], lines: int = 0
) -> answers.ExecutionDetail:
    """An execution with the events that are its steps, and its last log lines."""
    shown = [answers.Step(sequence=e.sequence, at=iso(e.at), type=e.type, data=data(e)) for e in steps]
    return answers.ExecutionDetail(**_execution(row, lines), commit=row.commit, result=row.result, steps=shown, logs=logs)


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
