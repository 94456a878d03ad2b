"""Shapes of answers: msgspec structs, so that one declaration gives the JSON, its letter case and its schema (§6)."""

from typing import Any, Literal

import msgspec


class Camel(msgspec.Struct, kw_only=True, rename="camel"):
    """An answer of the conductor's or the jobs API."""


class Snake(msgspec.Struct, kw_only=True):
    """An answer under /api/v1."""


class Health(Camel):
    status: Literal["ok"]
    timestamp: str


class Ready(Camel):
    status: Literal["ok"]


class DependencyHealth(Camel):
    name: str
    status: Literal["Ok", "Degraded", "Unreachable"]
    critical: bool
    reason: str | None
    latency_ms: int
    last_check_at: str


class DeepHealth(Camel):
    overall: Literal["Ok", "Degraded", "Unreachable"]
    dependencies: list[DependencyHealth]
    checked_at: str


class EventAccepted(Camel):
    stream_id: str
    type: str
    timestamp: str


class EventResult(Camel, omit_defaults=True):
    """One entry of a batch: what was stored, or why it was not."""

    stream_id: str | None = None
    type: str | None = None
    timestamp: str | None = None
    sequence: int | None = None
    error: str | None = None
    code: str | None = None


class StreamEvent(Camel):
    id: str
    type: str
    data: msgspec.Raw
    timestamp: str


class TokenCounts(Camel):
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int


class Issue(Camel):
    stream_id: str
    identifier: str
    repo: str | None
    issue_number: int | None
    title: str | None
    state: str
    cancelled: bool
    priority: str
    milestone: str | None
    labels: tuple[str, ...]
    depends_on: tuple[str, ...]
    parent: str | None
    assigned_agent: str | None
    attempt: int
    branch: str | None
    pr_number: int | None
    pr_url: str | None
    url: str | None
    orphan_status: str | None
    reason: str | None
    tokens: TokenCounts
    total_cost_usd: float
    queued_at: str | None
    created_at: str
    updated_at: str
    last_event_sequence: int


class AssignedIssue(Camel):
    number: int | None
    repo: str | None
    title: str | None
    milestone: str | None


class Assignment(Camel):
    stream_id: str
    issue: AssignedIssue
    priority: str
    attempt: int


class Lease(Camel):
    id: str
    fence: int
    expires_at: str


class ClaimedAssignment(Assignment):
    job_id: str
    lease: Lease


class CostLine(Camel):
    counted_usd: float
    rule: str
    computed_usd: float | None
    reported_usd: float | None


class TraceEvent(Camel, omit_defaults=True):
    at: str
    type: str
    data: msgspec.Raw
    sequence: int
    cost: CostLine | None = None
    applied: bool | None = None
    """False when the state machine could not apply it; left out otherwise."""
    reason: str | None = None


class Trace(Camel):
    issue_id: str
    current_state: str | None
    event_count: int
    total_cost_usd: float
    tokens: TokenCounts
    as_of: int
    events: list[TraceEvent]


class ForcedDone(Camel, omit_defaults=True):
    repo: str
    issue_number: int
    forced_done: bool | None = None
    previous_state: str | None = None
    already_done: bool | None = None
    state: str | None = None


class IssueCreated(Camel):
    identifier: str
    stream_id: str
    state: str


class Aborted(Snake):
    ok: bool
    status: Literal["stopping", "cancelled"]
    already_stopping: bool
    requested_at: str


class AgentReleased(Camel):
    agent_id: str
    released: list[str]


class JobCancelled(Camel):
    job_id: str
    status: Literal["cancelled"]


class LeaseRenewed(Camel):
    expires_at: str
    messages: list[dict[str, Any]]
    cancel_requested: bool
    budget_left: float | None


class LeaseEnded(Camel):
    stream_id: str
    state: str
    lease_id: str


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


class Key(Camel):
    id: str
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: str


class KeyCreated(Camel):
    id: str
    name: str
    prefix: str
    key: str
    scopes: tuple[str, ...]
    created_at: str


class Removed(Camel):
    removed: str


class StartedJob(Camel):
    job_id: str
    agent: str


class DeliveryAccepted(Camel, omit_defaults=True):
    delivery_id: str
    duplicate: bool
    matched: int
    jobs: tuple[StartedJob, ...]
    ignored: str | None = None


class Delivery(Camel):
    id: str
    source: str
    event: str
    received_at: str
    matched: int
    ignored: str | None
    streams: tuple[str, ...]


class IssueTransitions(Snake):
    state: str
    allowed: list[str]


class Transitions(Snake):
    transitions: dict[str, list[str]]
    vocabulary: dict[str, dict[str, str | None]]
    issues: dict[str, IssueTransitions]
    as_of: int


class Plugin(Snake):
    name: str
    distribution: str | None
    version: str | None
    state: Literal["enabled", "disabled", "load_error", "config_error", "quarantined"]
    hooks: list[str]
    calls: int
    ms_per_call: float
    strikes: int
    last_error: str | None


class Config(Snake):
    config: dict[str, Any]
    provenance: dict[str, str]
    """Dotted key to where its value comes from; keys not named have their built-in default."""
    version: int


class Overlay(Snake):
    overlay: dict[str, Any]
    version: int


class OverlayChanged(Snake):
    updated: bool
    overlay: dict[str, Any]
    version: int


class RowFrame(Camel):
    """A changed row in the event stream; ``row`` null says that it is gone."""

    view: Literal["issues", "queue", "agents", "jobs"]
    key: str
    row: Issue | Assignment | Agent | Job | None
    sequence: int


SHAPES: dict[str, Any] = {
    "Health": Health,
    "Ready": Ready,
    "DeepHealth": DeepHealth,
    "EventAccepted": EventAccepted,
    "EventResults": list[EventResult],
    "StreamEvents": list[StreamEvent],
    "Issues": list[Issue],
    "Assignment": Assignment,
    "Assignments": list[Assignment],
    "ClaimedAssignment": ClaimedAssignment,
    "Trace": Trace,
    "ForcedDone": ForcedDone,
    "IssueCreated": IssueCreated,
    "Aborted": Aborted,
    "LeaseRenewed": LeaseRenewed,
    "LeaseEnded": LeaseEnded,
    "Agents": list[Agent],
    "AgentReleased": AgentReleased,
    "Executions": list[Execution],
    "ExecutionDetail": ExecutionDetail,
    "Jobs": Jobs,
    "JobDetail": JobDetail,
    "JobCancelled": JobCancelled,
    "Keys": list[Key],
    "KeyCreated": KeyCreated,
    "Removed": Removed,
    "DeliveryAccepted": DeliveryAccepted,
    "Deliveries": list[Delivery],
    "Transitions": Transitions,
    "Plugins": list[Plugin],
    "Config": Config,
    "Overlay": Overlay,
    "OverlayChanged": OverlayChanged,
}
"""Answers by the name that an operation gives."""
