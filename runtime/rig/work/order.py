"""What the executor is told to do, how it shall do it, and what it tells: the whole surface between work and the rest of Rig."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from rig.ids import DEFAULT_TENANT, Tenant
from rig.plugin.provider import Answer, Provider, Steer, Usage
from rig.work.environment import Limits
from rig.work.hooks import Hooks
from rig.work.logs import CAP_BYTES
from rig.work.segments import Segment

Outcome = Literal["completed", "failed", "cancelled", "interrupted", "stalled", "timed_out"]


@dataclass(frozen=True, kw_only=True)
class WorkOrder:
    """One execution of one job, with everything that it needs to know of the issue."""

    execution: str
    job: str
    issue: str
    """The issue's stream; also what the workspace's key is made from."""
    agent: str
    lease: str
    fence: int
    provider: str
    model: str | None = None
    """None lets the provider choose."""
    max_turns: int = 20
    attempt: int = 1
    tenant: Tenant = DEFAULT_TENANT
    identifier: str = ""
    """What people call the issue; empty: the stream's name."""
    repo: str | None = None
    number: int | None = None
    title: str | None = None
    description: str | None = None
    labels: tuple[str, ...] = ()
    priority: int = 2
    url: str | None = None
    prompt: str | None = None
    """The whole prompt as text, never rendered; None: a template is."""
    note: str = ""
    """The operator's own words, added to the end of the prompt."""
    steers: tuple[Steer, ...] = ()
    """What was said to the issue's agent and reached none yet."""
    told: tuple[str, ...] = ()
    """What earlier attempts were told, for a session that begins afresh; added to the prompt."""
    template: str | None = None
    """Liquid template for this order; None: that of the settings."""
    source: str | None = None
    """Address of the repository that the work itself names, checked against ``[workspace] allow``; None: the configured one."""
    base: str | None = None
    """Branch, tag or commit to start from; None: the configured one."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """RIG_URL, RIG_TOKEN, RIG_LEASE and granted secrets."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Every live secret that must not show in what the execution leaves behind, granted or not; RIG_TOKEN is one by itself."""
    resume: str | None = None
    """The provider's session to go on with, None for a new one."""
    home: str | None = None
    """The execution whose home directory to go on with, where a session is resumed; None: a fresh one."""

    @property
    def name(self) -> str:
        return self.identifier or self.issue


@dataclass(frozen=True, kw_only=True)
class WorkSettings:
    """Configuration of the executor, asked anew for each order; a running session keeps what it began with."""

    hooks: Hooks = field(default_factory=Hooks)
    commit: bool = True
    """Commit what a successful session left uncommitted."""
    template: str = ""
    """Prompt template; empty: the built-in one."""
    stall_seconds: float = 300.0
    """Silence after which a session is ended; 0: never."""
    run_seconds: float = 0.0
    """Longest session; 0: no limit."""
    grace_seconds: float = 5.0
    """Between TERM and KILL."""
    log_bytes: int = CAP_BYTES
    limits: Limits = field(default_factory=Limits)


ProviderSource = Callable[[str], tuple[Provider, Any]]
"""The provider of that name and its validated configuration; raises RigError when there is none."""


@dataclass(frozen=True)
class Started:
    """Where an execution works; reported first, before anything exists."""

    branch: str | None
    workspace: str
    provider: str
    model: str | None
    steers: bool = False
    """Whether its session can be told something while it runs."""


@dataclass(frozen=True)
class Finished:
    """How an execution ended; reported once, last."""

    outcome: Outcome
    reason: str = ""
    """In a few words, redacted; empty when completed."""
    branch: str | None = None
    commit: str | None = None
    """Where the branch stands, None unless completed or without one."""
    result: str | None = None
    """The agent's own last words, redacted, untrusted."""
    turns: int = 0
    session: str | None = None
    """What a later order's ``resume`` may be, together with this execution as its ``home``."""

    @property
    def ok(self) -> bool:
        return self.outcome == "completed"


class Reporter(Protocol):
    """Takes what executions have to tell; every text in it is cleaned and redacted.

    A Conflict (the lease is lost, the state machine refuses) ends the execution; whatever else is raised fails it. What
    may be repeated is repeated in here: nothing is told twice but a segment after a crash.
    """

    async def started(self, order: WorkOrder, started: Started) -> None: ...

    async def spawned(self, order: WorkOrder, process_group: int, process_started: float | None) -> None:
        """A program runs for the execution: what ``Executor.recover`` needs to end it after a crash."""
        ...

    async def usage(self, order: WorkOrder, usage: Usage) -> None: ...

    async def progress(self, order: WorkOrder, message: str, turns: int | None, steps: int | None) -> None: ...

    async def ask(
        self, order: WorkOrder, question: str, options: Sequence[str], deadline_seconds: float | None
    ) -> Answer | None:
        """Put a question and wait for its answer; None when nobody answered in time, Conflict when the lease ended first."""
        ...

    async def limits(self, order: WorkOrder, text: str) -> None:
        """How much of its account's limits is used."""
        ...

    async def resumable(self, order: WorkOrder, session: str) -> None:
        """A later order may go on with ``session`` even if nothing else is heard of this one."""
        ...

    async def steered(self, order: WorkOrder, steer: Steer, refused: str | None) -> None:
        """The agent was told something, or its program ``refused`` it for a reason."""
        ...

    async def sealed(self, order: WorkOrder, segment: Segment) -> None: ...

    async def finished(self, order: WorkOrder, finished: Finished) -> None: ...


@dataclass(frozen=True)
class Running:
    """What the log says of an execution that ran when the daemon was killed."""

    execution: str
    process_group: int | None = None
    process_started: float | None = None
    home: str | None = None


@dataclass(frozen=True)
class Recovered:
    """What was found of such an execution."""

    execution: str
    ended: bool
    """Whether nothing of it is left running; False: it must not be started again."""
    segments: tuple[Segment, ...] = ()
    """All sealed segments of its output, those told of before included."""
    problem: str = ""
    """Why its output could not be sealed, empty when it could."""
