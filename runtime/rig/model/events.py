"""The one event vocabulary: what the log stores, and every type with its three spellings (R0-20)."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from rig.clock import Micros

Family = Literal["issue", "agent", "usage", "memory", "milestone", "system"]

ANY_VERSION = -1
"""Expected version of a stream that may have moved on: facts are appended whatever its version is."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """An event as it stands in the log."""

    position: int
    """Global, gapless, the order of the chain; seen only by a principal of all tenants."""
    tenant: str
    sequence: int
    """Gapless within the tenant; what every API, cursor and page token uses."""
    stream: str
    version: int
    """1..n within the stream."""
    type: str
    """snake_case name, see ``EventType``."""
    id: str
    at: Micros
    principal: str
    operation: str
    request_id: str
    meta: bytes
    """What the server adds to a client's words (computed cost, how it came in); canonical JSON, ``{}`` if nothing."""
    body: bytes
    """Canonical JSON of the data, without what was erased of it."""
    body_hash: bytes
    """Digest of the body as it first was."""
    hash: bytes
    """sha256(previous hash ‖ canonical envelope ‖ body_hash)."""


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """An event that is not in the log yet."""

    stream: str
    type: str
    body: bytes
    meta: bytes = b"{}"


class EventType(msgspec.Struct, frozen=True):
    """A type of event: its names, where it lives and what it must carry."""

    name: str
    """snake_case: what the store and the trace say."""
    pascal: str
    """What ``GET /api/events/stream`` says."""
    family: Family
    requires: tuple[str, ...] = ()
    """Fields without which a posted event is refused."""
    public: bool = True
    """Whether clients may post it; the others are written by Rig alone."""

    @property
    def upper(self) -> str:
        """What ``POST /api/events`` says."""
        return self.name.upper()


_PASCAL = {"e2e_passed": "E2EPassed", "e2e_failed": "E2EFailed"}


def _pascal(name: str) -> str:
    return _PASCAL.get(name) or "".join(part.capitalize() for part in name.split("_"))


def _types(family: Family, names: Iterable[str], requires: tuple[str, ...] = (), public: bool = True) -> list[EventType]:
    return [EventType(n, _pascal(n), family, requires, public) for n in names]


_ALL = [
    *_types(
        "issue",
        [
            "issue_approved",
            "issue_unassigned",
            "branch_created",
            "pr_created",
            "ci_passed",
            "ci_failed",
            "review_passed",
            "review_disputed",
            "changes_requested",
            "human_gate_triggered",
            "human_gate_reminder",
            "merged",
            "deployed_staging",
            "deployed_production",
            "smoke_passed",
            "smoke_failed",
            "e2e_passed",
            "e2e_failed",
            "verified",
            "issue_done",
            "issue_cancelled",
            "escalated",
            "issue_orphaned",
            "issue_needs_human",
        ],
    ),
    *_types("issue", ["issue_assigned", "work_started", "agent_stuck", "review_assigned"], ("agentId",)),
    *_types("issue", ["cli_started", "cli_completed"], ("agentId",)),
    *_types("agent", ["heartbeat"], ("agentId",)),
    *_types("usage", ["token_usage"], ("agentId", "model")),
    *_types("memory", ["memory_write", "memory_read", "memory_hit_used"], ("agentId",)),
    *_types("milestone", ["milestone_complete"], ("repo", "milestone")),
    # Written by Rig alone.
    *_types(
        "system",
        [
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
            "job_created",
            "job_cancelled",
            "execution_progressed",
            "log_sealed",
            "key_created",
            "key_revoked",
            "webhook_received",
            "webhook_retried",
            "webhook_replayed",
            "webhook_bodies_dropped",
            "tracker_polled",
            "config_changed",
            "operation_refused",
            "actor_faulted",
            "plugin_called",
            "plugin_faulted",
            "plugin_switched",
            "clock_stepped",
            "dependency_alarmed",
            "dependency_recovered",
            "body_erased",
            "head_accepted",
            "daemon_started",
            "daemon_stopped",
        ],
        public=False,
    ),
]

TYPES: dict[str, EventType] = {t.name: t for t in _ALL}
"""Every event type by its snake_case name."""

_BY_SPELLING = {s: t for t in _ALL for s in (t.name, t.upper, t.pascal, t.pascal.lower())}


def event_type(spelling: str) -> EventType | None:
    """The type that ``spelling`` names in UPPER_SNAKE, PascalCase or snake_case, or None."""
    return _BY_SPELLING.get(spelling) or _BY_SPELLING.get(spelling.lower())


def encode(data: object) -> bytes:
    """``data`` as the canonical JSON that bodies are stored and hashed in: compact, in the order given."""
    return msgspec.json.encode(data)
