"""Rows of issues and of their places in the queue."""

from typing import Literal

from rig.clock import Micros
from rig.model.rows.base import Row, State, Tokens


class IssueRow(Row, frozen=True, kw_only=True):
    """An issue as its own stream tells it; what other streams add stands in ``queue`` and ``links``."""

    stream: str
    repo: str | None = None
    number: int | None = None
    identifier: str = ""
    title: str | None = None
    description: str | None = None
    url: str | None = None
    labels: tuple[str, ...] = ()
    milestone: str | None = None
    state: State = "queued"
    priority: int = 2
    """Rank: critical 0, high 1, normal 2, low 3."""
    depends_on: tuple[str, ...] = ()
    parent: str | None = None
    agent: str | None = None
    attempt: int = 1
    fence: int = 0
    """Newest fence given out for this issue; only grows."""
    lease: str | None = None
    entry: int = 0
    """Number of its newest assignment in that agent's stream; 0: never assigned."""
    job: str | None = None
    execution: str | None = None
    branch: str | None = None
    pr_number: int | None = None
    pr_url: str | None = None
    review: Literal["passed", "disputed", "changes_requested"] | None = None
    """What the newest review of its pull request said; None: none yet."""
    ci: Literal["passed", "failed"] | None = None
    """How the checks of its pull request ended; None: not yet."""
    orphan_status: str | None = None
    not_before: Micros = 0
    """Earliest instant of the next attempt; 0 is at once."""
    queued_at: Micros | None = None
    queued_sequence: int = 0
    approved_sequence: int = 0
    """Sequence of its newest approval; 0: none yet."""
    created_at: Micros = 0
    updated_at: Micros = 0
    reason: str | None = None
    """Why it failed, was cancelled or waits; None when nothing is wrong."""
    questions: tuple[str, ...] = ()
    """Open questions of the agent that holds it; it is blocked while there are any."""
    steers: tuple[str, ...] = ()
    """What was said to its agent and has not reached one yet, oldest first; the next attempt gets what this one did not."""
    steerable: bool | None = None
    """Whether the running session takes words on its way; None: it did not say, as an agent that Rig did not launch."""
    reviewer: str | None = None
    """Agent that reviews its pull request, None: nobody yet."""
    gate: str | None = None
    """Why a person must look at its pull request, None when nobody must."""
    tokens: Tokens = Tokens()
    cost: int = 0


class QueueRow(Row, frozen=True, kw_only=True):
    """An issue that waits for an agent; the row exists only while it does."""

    stream: str
    rank: int
    queued_sequence: int
    open_deps: int = 0
    not_before: Micros = 0
    held: str | None = None
    """Why it may not be handed out although nothing blocks it (``needs_human``), None when it may."""
    pool: str = ""
    """Pool of executors or agents it is for; empty is any."""

    @property
    def ready(self) -> bool:
        return self.open_deps == 0 and self.held is None


class LinkRow(Row, frozen=True, kw_only=True):
    """One edge between issues. Key ``<kind>\\n<from>\\n<to>``: ``dep`` blocker to blocked, ``sub`` parent to child."""

    open: bool = True
    """Whether the blocker (or the child) is not done yet."""


class UnappliedRow(Row, frozen=True, kw_only=True):
    """An event that the state machine could not apply. Key: its sequence, 16 digits."""

    stream: str
    reason: str
