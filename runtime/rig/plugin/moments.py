"""What the before and after hooks are told, and what they may answer.

A *before* hook may change or stop what is about to happen; it is awaited, with a deadline, and one that fails is passed over.
An *after* hook is told, in order, beside the work: it can hold nothing up, and what it misses is still in the log.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Veto:
    """What a before hook answers to stop what is about to happen."""

    reason: str
    """In a few words, for people: it is in the log and in ``rig why``."""
    seconds: float = 60.0
    """How long until it may be tried again, where trying again makes sense."""


@dataclass(frozen=True)
class RunChanges:
    """What ``rig_before_run`` answers to change a run."""

    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the agent's environment; names of Rig's own (``RIG_*``, ``HOME``, ``PATH``) are left out."""
    note: str = ""
    """Added to the end of the prompt, as text of the operator and not of the issue."""


@dataclass(frozen=True)
class Reply:
    """What ``rig_before_attention`` answers when nobody needs to be asked."""

    answer: str
    """``approve`` or ``deny`` where a decision is asked for, else the answer's text."""


@dataclass(frozen=True, kw_only=True)
class _Moment:
    """What every before and after hook is told."""

    config: Any = None
    """The plugin's own validated configuration, as its registration hooks got it."""


@dataclass(frozen=True)
class DispatchContext(_Moment):
    """An issue that a slot of this daemon has claimed and is about to work on (or has begun to)."""

    issue: str
    """The issue's stream, such as ``owner/repo#42``."""
    title: str | None
    """Untrusted text."""
    labels: tuple[str, ...]
    """The tracker's labels; untrusted texts."""
    priority: str
    """critical, high, normal or low."""
    attempt: int
    """From 1."""
    agent: str
    """Name of the slot that works on it."""
    provider: str
    """Kind of the agent, such as ``claude``."""
    model: str | None
    """None lets the provider choose."""


@dataclass(frozen=True)
class RunContext(DispatchContext):
    """An execution that is about to start."""

    execution: str = ""
    """Its id, as in ``/api/execution-logs``."""
    job: str = ""
    """The job that it is a try of."""


@dataclass(frozen=True)
class RunEndedContext(RunContext):
    """An execution that has ended and was reported."""

    outcome: str = ""
    """completed, failed, cancelled, interrupted, stalled or timed_out."""
    reason: str = ""
    """In a few words, empty when completed."""
    turns: int = 0
    """Turns of the agent, 0 when it counts none."""


@dataclass(frozen=True)
class CompletionContext(_Moment):
    """A completion that is about to be written: an agent, or a slot of this daemon, says that its work is done."""

    issue: str
    """The issue's stream, such as ``owner/repo#42``."""
    title: str | None
    """Untrusted text; None when it has none."""
    labels: tuple[str, ...]
    """The tracker's labels; untrusted texts."""
    agent: str
    """Who says that the work is done."""
    to: str
    """The state that the issue would get: in_review or done."""
    branch: str | None
    """Where the work is, None when the agent does not say."""
    commit: str | None
    """Where the branch stands, None when the agent does not say."""
    result: str | None
    """The agent's last words, untrusted."""


@dataclass(frozen=True)
class TransitionContext(_Moment):
    """An issue's state has changed; the event is in the log."""

    issue: str
    """The issue's stream, such as ``owner/repo#42``."""
    before: str | None
    """Rig's own word (``GET /api/v1/transitions``); None when the issue was new or not open before."""
    after: str
    """Rig's own word for the new state."""
    event: str
    """Type of the event, in snake_case."""
    sequence: int
    """The number of the event in the log."""
    at: str
    """UTC, ISO 8601."""
    agent: str | None
    """Who has the issue now, None when nobody does."""
    reason: str | None
    """Why it is in this state, in a few words; None when nothing is said."""


@dataclass(frozen=True)
class AttentionContext(_Moment):
    """Something needs a human."""

    id: str
    """Its id, as in ``/api/v1/attention`` and for ``rig answer``."""
    kind: str
    """As ``GET /api/v1/attention`` calls it, such as ``question``."""
    subject: str
    """The issue or thing it is about."""
    question: str
    """Untrusted text."""
    options: tuple[str, ...] = ()
    """All that may be answered; empty when any text may."""
    deadline: str | None = None
    """UTC, ISO 8601; None: it waits for ever."""
