"""Rows of agents and of their assignment streams."""

from typing import Any, Literal

from rig.clock import Micros
from rig.model.rows.base import Row


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
