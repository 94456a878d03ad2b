"""The rows of the read models: what folds write and lists show. One struct a table; money is picodollars, time microseconds."""

from typing import Any, Literal

import msgspec

from rig.clock import Micros

State = Literal[
    "queued",
    "assigned",
    "in_progress",
    "blocked",
    "stuck",
    "retry_wait",
    "in_review",
    "deploying",
    "done",
    "failed",
    "cancelled",
]
"""Rig's own state words (conventions §8); ``rig.model.states`` maps them to those of each API."""


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of every row; ``version`` and ``sequence`` are those of the last event folded into it.

    Stored without the fields that have their default, so a changed default is a changed row (``FOLDS_VERSION``).
    """

    version: int = 0
    sequence: int = 0


class Tokens(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Disjoint token counts: input is without cache tokens."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_creation: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(
            self.input + other.input,
            self.output + other.output,
            self.cache_read + other.cache_read,
            self.cache_creation + other.cache_creation,
        )

    @property
    def total(self) -> int:
        return self.input + self.output + self.cache_read + self.cache_creation


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


class AgentRow(Row, frozen=True, kw_only=True):
    """An agent that ever sent a heartbeat or was assigned (R0-33)."""

    id: str
    status: Literal["idle", "working", "stuck"] = "idle"
    issue: str | None = None
    number: int | None = None
    repo: str | None = None
    active_provider: str | None = None
    available_providers: tuple[str, ...] = ()
    providers: tuple[dict[str, Any], ...] = ()
    integrations: tuple[dict[str, Any], ...] = ()
    last_model: str | None = None
    last_heartbeat: Micros | None = None
    completed: int = 0
    failed: int = 0
    created_at: Micros = 0
    known: bool = True
    """False while only its usage was heard: no heartbeat and no assignment yet."""


class StreamRow(Row, frozen=True, kw_only=True):
    """An agent's stream of assignments, with its one consumer group. Key: the agent."""

    added: int = 0
    """Entries that were ever added; the number of the newest."""
    read: int = 0
    """Number of the newest entry that a claim returned."""
    waiting: int = 0
    """Live entries that were not delivered yet."""
    pending: int = 0
    """Entries that were delivered and are not acknowledged."""
    consumed: bool = False
    """Whether the group exists: an entry was delivered once."""
    lost: bool = False
    """Whether entries were trimmed away undelivered, so that the lag is unknown until delivery catches up."""


class EntryRow(Row, frozen=True, kw_only=True):
    """An assignment that its agent has not acknowledged. Key: the agent and the entry's number, 16 digits."""

    issue: str
    at: Micros
    delivered: bool = False


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


class QuestionRow(Row, frozen=True, kw_only=True):
    """A question of an agent at work. Key: its id."""

    id: str
    issue: str
    lease: str
    agent: str
    job: str | None = None
    execution: str | None = None
    question: str
    options: tuple[str, ...] = ()
    """What may be answered; empty: any text."""
    deadline: Micros | None = None
    """When it counts as denied; None: it lives as long as its lease."""
    state: Literal["open", "answered", "expired", "withdrawn"] = "open"
    """``withdrawn``: its lease ended before it was answered."""
    asked_at: Micros = 0
    answer: str | None = None
    decision: Literal["approve", "deny"] | None = None
    ended_at: Micros | None = None
    ended_sequence: int = 0
    """Sequence of the event that ended it; 0 while it is open."""
    answered_by: str | None = None
    """Principal that answered."""


class SteerRow(Row, frozen=True, kw_only=True):
    """Something that was said to the agent at work on an issue. Key: its id."""

    id: str
    issue: str
    message: str
    job: str | None = None
    state: Literal["pending", "delivered", "rejected", "withdrawn"] = "pending"
    """``rejected``: the agent's program would not take it. ``withdrawn``: the work ended before it reached anyone."""
    requested_at: Micros = 0
    requested_sequence: int = 0
    requested_by: str = ""
    """Principal that said it."""
    execution: str | None = None
    """The execution that it reached."""
    reason: str | None = None
    ended_at: Micros | None = None


class ReviewRow(Row, frozen=True, kw_only=True):
    """An issue in review that has neither a reviewer nor a verdict. Key: the issue."""

    stream: str
    rank: int
    queued_sequence: int
    """Sequence of the event that brought it into review."""
    author: str | None = None


class AttentionRow(Row, frozen=True, kw_only=True):
    """Something that waits for a person. Key: its id; the row exists only while it waits."""

    id: str
    """A question's id, or ``<kind>:<issue>``."""
    kind: Literal["question", "approval", "failure", "gate"]
    subject: str
    """The issue that it is about."""
    question: str
    options: tuple[str, ...] = ()
    since: Micros = 0
    deadline: Micros | None = None


class Spent(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What some usage lines add up to."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_creation: int = 0
    cost: int = 0
    """Picodollars that count."""
    lines: int = 0
    unpriced: int = 0
    """Lines of models without a price; they count with what the agent reported."""
    unpriced_cost: int = 0
    """The part of ``cost`` that comes from them."""

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.input + other.input,
            self.output + other.output,
            self.cache_read + other.cache_read,
            self.cache_creation + other.cache_creation,
            self.cost + other.cost,
            self.lines + other.lines,
            self.unpriced + other.unpriced,
            self.unpriced_cost + other.unpriced_cost,
        )


class UsageRow(Row, frozen=True, kw_only=True):
    """One line of the ledger. Key: the event's sequence, 16 digits."""

    agent: str
    repo: str | None
    issue: str | None
    execution: str | None
    model: str
    category: str
    at: Micros
    tokens: Tokens
    reported: int | None
    """Picodollars that the agent said, None when it said nothing."""
    computed: int | None
    """Picodollars by the price table, None when the model has no price."""
    counted: int
    rule: str
    """Which rule decided ``counted``: zero_tokens, recomputed, reported, unpriced."""
    display: str = "default"
    """Display tenant in lower case (``tenantId``, R0-50); not the tenant that the log is divided by."""
    repo_account: int = 0
    """``SpendRow.opened`` of the total of its agent, repository and display tenant."""
    repo_total: Spent = Spent()
    """That total after this line."""
    category_account: int = 0
    """``SpendRow.opened`` of the total of its agent, category and display tenant."""
    category_total: Spent = Spent()
    """That total after this line."""


class SpendRow(Row, frozen=True, kw_only=True):
    """A running total of usage lines: of an agent and display tenant, by repository, by category or by day in UTC.

    Key: ``rig.model.spend.account`` of the agent, what it is by, and the display tenant; of a day, the date comes first.
    """

    agent: str
    repo: str | None = None
    category: str | None = None
    date: str | None = None
    display: str
    opened: int = 0
    """Sequence of its first line, by which its history is found: that is quicker to compare than its key."""
    last_at: Micros
    """When its newest line came."""
    total: Spent


class KeyRow(Row, frozen=True, kw_only=True):
    """An API key; only its hash is stored."""

    id: str
    name: str
    prefix: str
    digest: str
    """sha256 of the full key, lowercase hex."""
    tenant: str
    scopes: tuple[str, ...]
    created_at: Micros = 0
    revoked_at: Micros | None = None
    creator: str = ""
    execution: str | None = None
    """Set for an attempt's own key: it dies with that execution and implies its lease."""
    issue: str | None = None
    lease: str | None = None
    fence: int = 0
    agent: str | None = None


class DeliveryRow(Row, frozen=True, kw_only=True):
    """A webhook delivery that was accepted into the inbox. Key: source and delivery id."""

    id: str
    source: str
    event: str
    digest: str
    at: Micros = 0
    matched: int = 0
    ignored: str | None = None
    """Why it caused nothing, None when it caused something."""
    streams: tuple[str, ...] = ()
    state: str = "accepted"
    """One of ``rig.model.delivery.STATES``."""
    caused: tuple[str, ...] = ()
    """``<type> <stream>`` of each event that it caused."""
    tries: int = 0
    """How often it was tried again."""
    error: str | None = None
    """What its plugin failed with last."""
    next_try: Micros = 0
    """0: none."""
    body: str | None = None
    """Digest of the kept body, None when it is gone or was never kept."""
    size: int = 0
    headers: dict[str, str] = {}
    """Those that it is read with again; none that signs it."""
    by_body: bool = False
    """Whether its sender has no ids, so that ``id`` comes from the body."""
    replays: int = 0


class TrackedRow(Row, frozen=True, kw_only=True):
    """What a tracker said last of an issue, as far as it matters. Key: tracker and the tracker's own id."""

    tracker: str
    id: str
    stream: str
    state: str
    """The tracker's own word."""
    phase: Literal["active", "inactive", "done", "cancelled", "gone"]
    """What that means under ``[tracker]``; gone: the tracker does not show it any more."""
    why: str = ""
    """Why it is not queued, empty when it is."""
    hold: bool = False
    """Whether a person must approve it."""
    fields: dict[str, str] = {}
    """Field to a digest of what it said."""
    updated: str = ""
    """When it was changed, in the tracker's words; not kept up to date for changes that do not matter."""
    approved: int = 0
    """The issue's newest approval at that time."""
    at: Micros = 0


class UnappliedRow(Row, frozen=True, kw_only=True):
    """An event that the state machine could not apply. Key: its sequence, 16 digits."""

    stream: str
    reason: str


class OverlayRow(Row, frozen=True, kw_only=True):
    """The run-time configuration of the installation; one row, key ``overlay``."""

    values: dict[str, Any] = {}


class SegmentRow(Row, frozen=True, kw_only=True):
    """A sealed segment of an execution's output. Key: execution and first line, 10 digits."""

    execution: str
    first: int
    lines: int
    bytes: int
    digest: str
