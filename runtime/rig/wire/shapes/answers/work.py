"""Answers about agents, executions and jobs."""

from typing import Any, Literal

import msgspec

from rig.wire.shapes.answers.base import Camel
from rig.wire.shapes.answers.issues import TokenCounts


class Agent(Camel):
    id: str
    status: str
    is_online: bool
    current_issue: int | None
    current_repo: str | None
    active_provider: str | None
    available_providers: tuple[str, ...]
    providers: tuple[dict[str, Any], ...]
    integrations: tuple[dict[str, Any], ...]
    last_model: str | None
    last_heartbeat: str | None
    issues_completed: int
    issues_failed: int
    name: str | None = None
    trigger_name: str | None = None
    default_model: str | None = None
    default_effort: str | None = None
    default_provider: str | None = None
    event_triggers: list[dict[str, Any]] | None = None
    instructions: list[str] | None = None
    enabled: bool | None = None


class StreamGroup(Camel):
    lag: int | None
    pending: int


class AgentStream(Camel):
    xlen: int
    groups: dict[str, StreamGroup]


class AgentReleased(Camel):
    agent_id: str
    released: list[str]


class Execution(Camel):
    id: str
    job_id: str | None
    issue_id: str | None
    repo: str | None
    issue_number: int | None
    pr_number: int | None
    agent_id: str
    attempt: int
    status: str
    provider: str | None
    model: str | None
    branch: str | None
    started_at: str
    completed_at: str | None
    duration_seconds: int | None
    tokens: TokenCounts
    total_cost_usd: float
    total_turns: int
    step_count: int
    log_count: int
    failed_reason: str | None


class Step(Camel):
    sequence: int
    at: str
    type: str
    data: msgspec.Raw


class LogLine(Camel):
    line: int
    at: str
    stream: str
    text: str


class ExecutionDetail(Execution):
    commit: str | None
    result: str | None
    steps: list[Step]
    logs: list[LogLine]


class Job(Camel):
    id: str
    name: str
    source: str
    agent_role: str | None
    repo: str | None
    issue_id: str | None
    status: str
    attempts: int
    created_at: str
    processed_at: str | None
    finished_at: str | None
    failed_reason: str | None
    chain_id: str | None
    chain_depth: int
    parent_job_id: str | None
    chain_path: list[str]
    result: str | None


class JobDetail(Job):
    phase: str
    account_name: str | None
    k8s_job_name: str | None = msgspec.field(name="k8sJobName")
    executor_pod_name: str | None
    returnvalue: str | None
    logs: list[str]
    workspace_setup: dict[str, Any] | None
    prompt_ref: str | None
    provider: str | None
    model: str | None
    priority: int
    execution_id: str | None


class Jobs(Camel):
    jobs: list[Job]
    total: int
    page: int
    limit: int
    as_of: int


class JobCancelled(Camel):
    job_id: str
    status: Literal["cancelled"]


SHAPES: dict[str, Any] = {
    "Agents": list[Agent],
    "Streams": dict[str, AgentStream],
    "AgentReleased": AgentReleased,
    "Executions": list[Execution],
    "ExecutionDetail": ExecutionDetail,
    "Jobs": Jobs,
    "JobDetail": JobDetail,
    "JobCancelled": JobCancelled,
}
