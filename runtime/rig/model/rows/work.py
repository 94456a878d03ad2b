"""Rows of work: jobs, executions, leases, logs."""

from typing import Literal

from rig.clock import Micros
from rig.model.rows.base import Row, State, Tokens


class JobRow(Row, frozen=True, kw_only=True):
    """Work that one agent is asked to do, whatever asked for it; has 1..n executions."""

    id: str
    number: int = 0
    """The how many-th job of its tenant it is, from 1, in the order in which they were made."""
    issue: str | None = None
    source: str = ""
    type: str = ""
    provider: str | None = None
    model: str | None = None
    state: State = "queued"
    priority: int = 2
    attempts: int = 0
    execution: str | None = None
    agent: str | None = None
    created_at: Micros = 0
    started_at: Micros | None = None
    ended_at: Micros | None = None
    reason: str | None = None
    result: str | None = None


class CountRow(Row, frozen=True, kw_only=True):
    """How many rows a read model has that none is ever deleted from, so that its lists need not count them. Key: its name."""

    rows: int


class ExecutionRow(Row, frozen=True, kw_only=True):
    """One run of a job; its id is that of ``/api/execution-logs`` and ``/api/v1/attempts``."""

    id: str
    job: str | None = None
    issue: str | None = None
    repo: str | None = None
    number: int | None = None
    pr_number: int | None = None
    agent: str = ""
    lease: str | None = None
    attempt: int = 1
    status: Literal["running", "completed", "failed", "stuck"] = "running"
    started_at: Micros = 0
    completed_at: Micros | None = None
    provider: str | None = None
    model: str | None = None
    session: str | None = None
    """The provider's session that a later attempt may go on with."""
    home: str | None = None
    """The execution whose home directory that session needs."""
    branch: str | None = None
    workspace: str | None = None
    process_group: int | None = None
    process_started: float | None = None
    """Start time of the group's leader, so that a reused process id is never mistaken for it (I11)."""
    turns: int = 0
    steps: int = 0
    logs: int = 0
    tokens: Tokens = Tokens()
    cost: int = 0
    reason: str | None = None
    commit: str | None = None
    result: str | None = None


class LeaseRow(Row, frozen=True, kw_only=True):
    """The right to work on an issue, with the fence that proves it."""

    id: str
    issue: str
    job: str
    agent: str
    fence: int
    seconds: int
    state: Literal["live", "completed", "failed", "released", "expired"] = "live"
    granted_at: Micros = 0
    ended_at: Micros | None = None
    reason: str | None = None


class SegmentRow(Row, frozen=True, kw_only=True):
    """A sealed segment of an execution's output. Key: execution and first line, 10 digits."""

    execution: str
    first: int
    lines: int
    bytes: int
    digest: str
