"""Rows of the installation: keys, deliveries, trackers, settings."""

from typing import Any, Literal

import msgspec

from rig.clock import Micros
from rig.model.rows.base import Row


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
    headers: dict[str, str] = msgspec.field(default_factory=dict)
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
    fields: dict[str, str] = msgspec.field(default_factory=dict)
    """Field to a digest of what it said."""
    updated: str = ""
    """When it was changed, in the tracker's words; not kept up to date for changes that do not matter."""
    approved: int = 0
    """The issue's newest approval at that time."""
    at: Micros = 0


class OverlayRow(Row, frozen=True, kw_only=True):
    """The run-time configuration of the installation; one row, key ``overlay``."""

    values: dict[str, Any] = msgspec.field(default_factory=dict)
