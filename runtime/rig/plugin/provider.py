"""What a provider is: it drives one agent session over a ``Session`` that Rig supplies. Built-in and foreign ones are alike."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

MAX_LINE = 64 * 1024
"""Bytes of a line that are kept where nothing else is said; the rest of it is dropped."""


@dataclass(frozen=True)
class Usage:
    """Tokens of one session or turn; counts are disjoint: ``input_tokens`` is without cache tokens (conventions §9)."""

    model: str
    """Name of the model, as its maker calls it."""
    input_tokens: int = 0
    """Tokens of the prompt without those of a cache."""
    output_tokens: int = 0
    """Tokens of the answer."""
    cache_read_tokens: int = 0
    """Tokens that a cache had."""
    cache_creation_tokens: int = 0
    """Tokens that were put into a cache."""
    cost_usd: str | None = None
    """What the agent itself says it cost, as decimal text; None when it says nothing."""
    category: str = "work"
    """What they were spent on, for ``/api/costs``."""


@dataclass(frozen=True)
class SessionResult:
    """How a session ended."""

    ok: bool
    """Whether the agent says that its work is done."""
    reason: str = ""
    """Why it failed, in a few words for people; empty when ok."""
    summary: str | None = None
    """The agent's own last words, untrusted text."""
    turns: int = 0
    """Turns of the agent, 0 when it counts none."""
    session_id: str | None = None
    """What ``Session.resume`` gets on a later attempt, None when the provider can't resume."""


class Child(Protocol):
    """A program that runs for the session, in its own process group."""

    pid: int
    """Its process id, and the id of its group."""

    def lines(self) -> AsyncIterator[list[bytes]]:
        """Batches of stdout lines without their newline; an over-long line comes cut, with a marker. Ends at end of file."""
        ...

    async def write(self, data: bytes) -> None:
        """Write to stdin; raises ProcessError when the program is gone."""
        ...

    async def close_stdin(self) -> None:
        """Let the program read the end of its input."""
        ...

    async def wait(self) -> int:
        """The exit status, negative for a signal."""
        ...

    async def end(self, grace: float = 5.0) -> bool:
        """End its whole group: TERM, after ``grace`` seconds KILL; True when nothing of it is left. May be called again.

        Rig does this for every program of a session that ends; a provider needs it only for one that has to go earlier.
        """
        ...


class Session(Protocol):
    """What Rig gives a provider for one execution."""

    execution_id: str
    """The execution, as in ``/api/execution-logs``."""
    issue: str
    """The issue's stream, such as ``owner/repo#42``."""
    workspace: Path
    """Folder of this issue, a git worktree where a repository is configured."""
    prompt: str
    """What the agent is asked to do; it quotes untrusted text."""
    model: str | None
    """None lets the provider choose."""
    max_turns: int
    """After so many turns the session is to end; 0: no limit."""
    resume: str | None
    """``SessionResult.session_id`` of an earlier attempt, None for a new session."""
    config: Any
    """The provider's own validated configuration (``[providers.<name>]``)."""
    environment: Mapping[str, str]
    """Allow-listed environment of the session with its own HOME, RIG_URL, RIG_TOKEN, RIG_LEASE, RIG_JOB_ID, RIG_ISSUE and granted secrets."""

    async def spawn(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        keep_stdin: bool = False,
        line_bytes: int = MAX_LINE,
    ) -> Child:
        """Start a program in the workspace; ``env`` is added to ``environment``; stderr goes to the session's log.

        ``stdin`` is written at once; the pipe is closed after it unless ``keep_stdin``. Lines of stdout that are longer than
        ``line_bytes`` come cut.
        """
        ...

    async def log(self, lines: Sequence[str], stream: Literal["stdout", "stderr", "agent", "system"] = "stdout") -> None:
        """Append lines to the session's log: cleaned, redacted and capped by Rig; waits while the log is behind."""
        ...

    async def usage(self, usage: Usage) -> None:
        """Report tokens; counted once per call."""
        ...

    async def progress(self, message: str, *, turns: int | None = None, steps: int | None = None) -> None:
        """Say that the session moves; ``turns`` and ``steps`` are totals so far."""
        ...


@dataclass(frozen=True)
class Answer:
    """What somebody answered."""

    text: str
    """One of the options where there were any."""
    approved: bool | None = None
    """Whether it is ``approve`` or ``deny``, None for any other answer."""


@runtime_checkable
class Asks(Protocol):
    """A session that can put a question to a human; a provider asks ``isinstance(session, Asks)``."""

    async def ask(self, question: str, options: Sequence[str] = (), *, deadline_seconds: float | None = None) -> Answer | None:
        """Show the question in Attention and wait for the answer; the job is blocked meanwhile, and its silence is not counted.

        ``options`` are all that may be answered; without any, every text is. None says that nobody answered before the
        deadline, which counts as denied; without a deadline it waits as long as the lease lives. Several may wait at once.
        Raises Conflict when the lease was lost.
        """
        ...


@dataclass(frozen=True)
class Steer:
    """Something that a person says to the agent while it works: untrusted text, for the agent's eyes and nothing else."""

    id: str
    """A UUID; the same when it is said again after a crash."""
    text: str
    """In the person's own words."""


@runtime_checkable
class Steered(Protocol):
    """A session that can be told something on its way; a provider asks ``isinstance(session, Steered)``.

    Only a provider that is registered with ``steers=True`` is told anything. What it has neither delivered nor rejected when
    its session ends is for the next attempt.
    """

    @property
    def steer_waits(self) -> bool:
        """Whether ``next_steer`` would return at once: a session that is done goes on with another turn."""
        ...

    async def next_steer(self) -> Steer:
        """Wait for the next thing that is said, in order."""
        ...

    async def steer_delivered(self, steer: Steer) -> None:
        """The agent has it. Raises Conflict when the lease was lost."""
        ...

    async def steer_rejected(self, steer: Steer, reason: str) -> None:
        """The agent's program will not take it. Raises Conflict when the lease was lost."""
        ...


@runtime_checkable
class Resumable(Protocol):
    """A session that a later attempt may go on with even if Rig is killed; a provider asks ``isinstance(session, Resumable)``."""

    async def can_resume(self, session_id: str) -> None:
        """Say as early as may be what a later attempt's ``Session.resume`` is to be, should this one never say how it ended.

        Its home directory is kept with it. Raises Conflict when the lease was lost.
        """
        ...


@runtime_checkable
class Limited(Protocol):
    """A session that shows how much of its account's limits is used; a provider asks ``isinstance(session, Limited)``."""

    async def limits(self, text: str) -> None:
        """Say it in a few words, whenever it changes: shown, as long as one of the provider's sessions runs, with its agents in ``GET /api/agents``."""
        ...


@dataclass(frozen=True)
class Model:
    """A model that a provider's sessions may be given."""

    id: str
    """What ``Session.model`` would be."""
    name: str = ""
    """What people call it; empty: its id."""
    default: bool = False
    """Whether sessions get it where none is named."""


@runtime_checkable
class ListsModels(Protocol):
    """A provider that can say which models there are; Rig asks ``isinstance(provider, ListsModels)``."""

    async def list_models(self, config: Any) -> Sequence[Model]:
        """Ask the program, or the server, with the provider's validated configuration; without a session, and spend nothing.

        Raises anything. At most 20 s; the answer is kept for five minutes.
        """
        ...


class Provider(Protocol):
    """Drives sessions of one kind of agent."""

    name: str
    """The same as its registration's."""

    async def run(self, session: Session) -> SessionResult:
        """Run one session to its end; cancellation stops it (Rig then ends the process group).

        Raises anything: Rig records the session as failed with the exception's type.
        """
        ...


@dataclass(frozen=True)
class ProviderRegistration:
    """What a plugin hands to ``rig_register_providers``."""

    name: str
    """What ``[dispatch] provider`` and ``[providers.<name>]`` call it."""
    provider: Provider
    """What runs its sessions."""
    config: type[Any] | None = None
    """pydantic model of ``[providers.<name>]``, None when it takes no configuration."""
    models: tuple[str, ...] = ()
    """Models that it offers; empty when it takes any."""
    steers: bool = False
    """Whether its sessions take what people say while they run (``Steered``)."""
