"""Every operation of the API, once, as frozen data: routes, OpenAPI, ``rig api`` and docs/api.md are readings of this table."""

import re
from dataclasses import dataclass
from typing import Literal

READ = "orchestrator:read"
WRITE = "orchestrator:write"
ADMIN = "orchestrator:admin"
SIGNATURE = "signature"
"""Not a scope of a key: the request is authorised by its own signature."""

KIB = 1024
MIB = 1024 * KIB
JSON_LIMIT = 2 * MIB

Kind = Literal["string", "integer", "boolean"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter."""

    name: str
    summary: str
    kind: Kind = "string"
    required: bool = False
    enum: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    default: int | str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that the API can do."""

    name: str
    """OpenAPI id, and what an event's envelope says as ``operation``."""
    method: str
    paths: tuple[str, ...]
    """The first is the documented one, the others are aliases."""
    summary: str
    tag: str
    scope: str | None
    """Weakest scope that may; None is public; ``signature`` is a signed delivery."""
    request: str | None = None
    """Name of the request's shape in ``rig.wire.shapes``; None when it takes no body."""
    response: str | None = None
    """Name of the answer's shape in ``rig.wire.shapes``."""
    status: int = 200
    also: tuple[int, ...] = ()
    """Other successful statuses."""
    query: tuple[Parameter, ...] = ()
    raw: str | None = None
    """Content type of an answer that is not JSON."""
    body_limit: int = JSON_LIMIT
    optional_body: bool = False
    secret: bool = False
    """Whether the answer holds a secret, so that what is kept for an idempotent repeat is sealed."""
    attempt: bool = False
    """Whether the key of a running attempt may call it, for its own work."""
    submit: bool = False
    """Whether a key of SUBMIT_API_KEYS may call it."""
    installation: bool = False
    """Whether it is the installation's, so that only tenant ``default`` may."""
    mcp: bool = False
    """Whether agents may have it as a tool."""

    @property
    def mutating(self) -> bool:
        return self.method not in ("GET", "HEAD")

    @property
    def path_parameters(self) -> tuple[str, ...]:
        return tuple(_PLACEHOLDER.findall(self.paths[0]))


_PLACEHOLDER = re.compile(r"\{(\w+)\}")

_LIMIT = Parameter("limit", "most rows; clamped to 1-500", "integer", default=100)
_OFFSET = Parameter("offset", "rows to skip", "integer", minimum=0, default=0)
_WAIT = Parameter("wait", "seconds to wait for work, at most 60", "integer", minimum=0, maximum=60, default=0)
_REPO = Parameter("repo", "owner/name", required=True)
_NUMBER = Parameter("issueNumber", "number of the issue in the repository", "integer", required=True, minimum=1)
_AGENT = Parameter("agentId", "agent that asks")

OPERATIONS: tuple[Operation, ...] = (
    # health
    Operation("get_health", "GET", ("/health",), "Whether the process lives", "health", None, response="Health"),
    Operation(
        "get_ready", "GET", ("/ready",), "Whether it takes work; 503 while it does not", "health", None, response="Ready"
    ),
    Operation("get_deep_health", "GET", ("/healthz/deep",), "State of every dependency", "health", None, response="DeepHealth"),
    Operation("get_metrics", "GET", ("/metrics",), "Metrics for Prometheus", "health", None, raw="text/plain"),
    Operation(
        "get_openapi",
        "GET",
        ("/api/v1/openapi.json",),
        "This description of the API",
        "health",
        None,
        query=(Parameter("version", "OpenAPI version", enum=("3.0", "3.1"), default="3.1"),),
    ),
    # events
    Operation(
        "post_event",
        "POST",
        ("/api/events",),
        "Append an event",
        "events",
        WRITE,
        "Event",
        "EventAccepted",
        attempt=True,
        mcp=True,
    ),
    Operation(
        "post_events",
        "POST",
        ("/api/events/batch",),
        "Append up to 1,000 events in one commit: an array, or NDJSON",
        "events",
        WRITE,
        "EventBatch",
        "EventResults",
        body_limit=8 * MIB,
        attempt=True,
    ),
    Operation(
        "get_stream_events",
        "GET",
        ("/api/events/stream",),
        "Events of one stream, by query",
        "events",
        READ,
        response="StreamEvents",
        query=(Parameter("id", "stream, URL-encoded", required=True),),
    ),
    Operation(
        "get_events_of", "GET", ("/api/events/{id}",), "Events of one stream, by path", "events", READ, response="StreamEvents"
    ),
    Operation(
        "stream_events",
        "GET",
        ("/api/v1/events",),
        "The log as server-sent events",
        "events",
        READ,
        raw="text/event-stream",
        query=(
            Parameter("since", "sequence after which to begin; absent is now, 0 is the beginning", "integer", minimum=0),
            Parameter("topics", "event types or families, separated by commas"),
            Parameter("id", "only this stream"),
            Parameter("views", "also send changed rows of: issues, queue, agents, jobs"),
        ),
    ),
    # issues
    Operation(
        "create_issue",
        "POST",
        ("/api/v1/issues",),
        "Create and queue an issue",
        "issues",
        WRITE,
        "NewIssue",
        "IssueCreated",
        201,
    ),
    Operation(
        "list_issues",
        "GET",
        ("/api/issues",),
        "Tracked issues",
        "issues",
        READ,
        response="Issues",
        query=(
            Parameter(
                "state",
                "only issues in this state",
                enum=("queued", "assigned", "in_progress", "in_review", "deploying", "done", "failed"),
            ),
            _LIMIT,
            _OFFSET,
        ),
        mcp=True,
    ),
    Operation(
        "list_queue",
        "GET",
        ("/api/queue",),
        "Issues that wait for an agent, in the order in which they are handed out",
        "issues",
        READ,
        response="Assignments",
        query=(_LIMIT, _OFFSET),
        mcp=True,
    ),
    Operation(
        "find_issue_trace",
        "GET",
        ("/api/issues/trace",),
        "History of an issue, by repository and number",
        "issues",
        READ,
        response="Trace",
        query=(_REPO, _NUMBER),
    ),
    Operation(
        "get_issue_trace",
        "GET",
        ("/api/issues/{id}/trace", "/api/v1/issues/{id}/trace"),
        "History of an issue",
        "issues",
        READ,
        response="Trace",
        mcp=True,
    ),
    Operation(
        "force_done",
        "POST",
        ("/api/admin/issues/force-done",),
        "Declare an issue done whatever its state and sub-issues",
        "issues",
        ADMIN,
        response="ForcedDone",
        query=(_REPO, _NUMBER),
    ),
    Operation(
        "abort_issue",
        "POST",
        ("/api/v1/issues/{id}/abort", "/api/v1/{id}/abort"),
        "End the work on an issue",
        "issues",
        WRITE,
        request="Reason",
        response="Aborted",
        status=202,
        also=(200,),
        optional_body=True,
    ),
    # assignments and leases
    Operation(
        "get_next_assignment",
        "GET",
        ("/api/assignments/next",),
        "Head of the queue, without claiming it",
        "assignments",
        READ,
        response="Assignment",
        also=(204,),
        query=(_AGENT, _WAIT),
    ),
    Operation(
        "claim_assignment",
        "POST",
        ("/api/assignments/claim",),
        "Claim the head of the queue under a lease",
        "assignments",
        WRITE,
        "Claim",
        "ClaimedAssignment",
        also=(204,),
        query=(_WAIT, _AGENT),
        optional_body=True,
    ),
    Operation(
        "heartbeat_lease",
        "POST",
        ("/api/leases/{id}/heartbeat",),
        "Renew a lease",
        "assignments",
        WRITE,
        "LeaseHeartbeat",
        "LeaseRenewed",
        attempt=True,
    ),
    Operation(
        "complete_lease",
        "POST",
        ("/api/leases/{id}/complete",),
        "End a lease with a result",
        "assignments",
        WRITE,
        "LeaseEnd",
        "LeaseEnded",
        attempt=True,
    ),
    Operation(
        "fail_lease",
        "POST",
        ("/api/leases/{id}/fail",),
        "End a lease with a failure",
        "assignments",
        WRITE,
        "LeaseEnd",
        "LeaseEnded",
        attempt=True,
    ),
    # agents and work
    Operation("list_agents", "GET", ("/api/agents",), "Known agents", "agents", READ, response="Agents", mcp=True),
    Operation(
        "release_agent",
        "POST",
        ("/api/v1/agents/{id}/release",),
        "Take an agent off what it holds; its issues are queued again",
        "agents",
        WRITE,
        request="Reason",
        response="AgentReleased",
        optional_body=True,
    ),
    Operation(
        "list_execution_logs",
        "GET",
        ("/api/execution-logs",),
        "Executions, newest first",
        "work",
        READ,
        response="Executions",
        query=(
            Parameter("limit", "most rows; clamped to 1-500", "integer", default=50),
            Parameter("status", "running, completed, failed or stuck, in any letter case"),
        ),
    ),
    Operation(
        "get_execution_log",
        "GET",
        ("/api/execution-logs/{id}",),
        "An execution with its steps and log",
        "work",
        READ,
        response="ExecutionDetail",
        attempt=True,
    ),
    Operation(
        "get_attempt_logs",
        "GET",
        ("/api/v1/attempts/{id}/logs",),
        "Log lines of an execution: NDJSON, or server-sent events that follow it to its end",
        "work",
        READ,
        raw="application/x-ndjson",
        query=(
            Parameter("after", "line after which to begin", "integer", minimum=0, default=0),
            Parameter("follow", "wait for lines to come until the execution ends", "boolean"),
        ),
        attempt=True,
    ),
    Operation(
        "list_jobs",
        "GET",
        ("/api/jobs",),
        "Jobs, newest first",
        "work",
        READ,
        response="Jobs",
        query=(
            Parameter("page", "page, from 1", "integer", default=1),
            Parameter("limit", "rows a page; clamped to 1-100", "integer", default=20),
            Parameter("chainId", "only jobs of this chain"),
        ),
        submit=True,
    ),
    Operation("get_job", "GET", ("/api/jobs/{id}",), "A job", "work", READ, response="JobDetail", submit=True),
    Operation(
        "cancel_job",
        "POST",
        ("/api/jobs/{id}/cancel",),
        "Cancel a job; the work on its issue ends with it",
        "work",
        WRITE,
        request="Reason",
        response="JobCancelled",
        optional_body=True,
    ),
    # keys
    Operation("list_api_keys", "GET", ("/api/api-keys",), "API keys, by prefix", "keys", ADMIN, response="Keys"),
    Operation(
        "create_api_key",
        "POST",
        ("/api/api-keys",),
        "Create an API key; it is shown this once",
        "keys",
        ADMIN,
        "NewKey",
        "KeyCreated",
        201,
        secret=True,
    ),
    Operation("revoke_api_key", "DELETE", ("/api/api-keys/{id}",), "Revoke an API key", "keys", ADMIN, response="Removed"),
    # webhooks
    Operation(
        "receive_webhook",
        "POST",
        ("/api/webhooks/{source}",),
        "Take in a signed delivery",
        "webhooks",
        SIGNATURE,
        request="Delivery",
        response="DeliveryAccepted",
        body_limit=25 * MIB,
    ),
    Operation(
        "receive_github_webhook",
        "POST",
        ("/api/webhook/github",),
        "Take in a signed delivery from GitHub",
        "webhooks",
        SIGNATURE,
        request="Delivery",
        response="DeliveryAccepted",
        body_limit=25 * MIB,
    ),
    Operation(
        "list_webhook_deliveries",
        "GET",
        ("/api/webhook-deliveries",),
        "Deliveries that were taken in, newest first",
        "webhooks",
        READ,
        response="Deliveries",
        query=(_LIMIT, _OFFSET),
    ),
    # installation
    Operation(
        "get_transitions",
        "GET",
        ("/api/v1/transitions",),
        "States, their words in each API, and what each issue may become",
        "installation",
        READ,
        response="Transitions",
        query=(Parameter("id", "only this issue"), _LIMIT, _OFFSET),
    ),
    Operation("list_plugins", "GET", ("/api/v1/plugins",), "Plugins and their state", "installation", READ, response="Plugins"),
    Operation(
        "get_config",
        "GET",
        ("/api/v1/config",),
        "The configuration in force, secrets masked",
        "installation",
        READ,
        response="Config",
    ),
    Operation("get_config_schema", "GET", ("/api/v1/config/schema",), "JSON Schema of the configuration", "installation", READ),
    Operation(
        "get_overlay",
        "GET",
        ("/api/v1/config/overlay",),
        "What was changed at run time",
        "installation",
        READ,
        response="Overlay",
    ),
    Operation(
        "put_overlay",
        "PUT",
        ("/api/v1/config/overlay",),
        "Replace the overlay",
        "installation",
        ADMIN,
        "OverlayValues",
        "OverlayChanged",
        installation=True,
    ),
    Operation(
        "patch_overlay",
        "PATCH",
        ("/api/v1/config/overlay",),
        "Change parts of the overlay",
        "installation",
        ADMIN,
        "OverlayPatch",
        "OverlayChanged",
        installation=True,
    ),
    Operation(
        "delete_overlay",
        "DELETE",
        ("/api/v1/config/overlay/{path}",),
        "Take one value out of the overlay",
        "installation",
        ADMIN,
        status=204,
        installation=True,
    ),
)

BY_NAME: dict[str, Operation] = {o.name: o for o in OPERATIONS}
