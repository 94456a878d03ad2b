"""Answers about issues and their states."""

from typing import Any, Literal

import msgspec

from rig.wire.shapes.answers.base import Camel, Snake


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
    review_status: str | None
    ci_status: str | None
    url: str | None
    orphan_status: str | None
    reason: str | None
    tokens: TokenCounts
    total_cost_usd: float
    queued_at: str | None
    created_at: str
    updated_at: str
    last_event_sequence: int
    cycle: tuple[str, ...]
    """``[a, b, a]`` when it waits for itself through others; empty otherwise."""


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


class WhyReason(Snake, omit_defaults=True):
    code: str
    text: str
    sequence: int | None = None
    """Sequence of the event behind it; left out where no single event is."""


class Why(Snake):
    state: str
    """In Rig's own words, as ``GET /api/v1/transitions`` has them; ``untracked`` for one that only a tracker knows."""
    reasons: list[WhyReason]


class IssueCreated(Camel):
    identifier: str
    stream_id: str
    state: str


class Aborted(Snake):
    ok: bool
    status: Literal["stopping", "cancelled"]
    already_stopping: bool
    requested_at: str


class Steered(Snake):
    """``status``: the agent has it; it waits for its turn, or for the next attempt; its program would not take it, or the work ended."""

    ok: bool
    """Whether it is not rejected."""
    status: Literal["delivered", "queued", "rejected"]
    steer_id: str
    reason: str | None
    """Why it is rejected, null when it isn't."""


class IssueTransitions(Snake):
    state: str
    allowed: list[str]


class Transitions(Snake):
    transitions: dict[str, list[str]]
    vocabulary: dict[str, dict[str, str | None]]
    issues: dict[str, IssueTransitions]
    as_of: int


SHAPES: dict[str, Any] = {
    "Issues": list[Issue],
    "Trace": Trace,
    "ForcedDone": ForcedDone,
    "Why": Why,
    "IssueCreated": IssueCreated,
    "Aborted": Aborted,
    "Steered": Steered,
    "Transitions": Transitions,
}
