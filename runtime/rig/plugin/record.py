"""What is known of a plugin: where it came from, how it is, and how its calls went."""

from typing import Literal

import msgspec

PluginState = Literal["enabled", "disabled", "load_error", "config_error", "quarantined"]

BROKEN: tuple[PluginState, ...] = ("load_error", "config_error", "quarantined")
"""States that deep health names."""


class OperationRecord(msgspec.Struct, frozen=True):
    """An operation that a plugin adds to the API, as it says of it."""

    name: str
    method: str
    scope: str
    summary: str
    undescribed: str | None = None
    """Why the API's description does not show it, None where it does."""


class PluginRecord(msgspec.Struct, frozen=True):
    """A row of ``GET /api/v1/plugins``, as of the moment it was asked for."""

    name: str
    """Name of the entry point."""
    distribution: str | None
    """The installed distribution it came with, None when that can't be told."""
    version: str | None
    state: PluginState
    hooks: tuple[str, ...] = ()
    calls: int = 0
    ms_per_call: float = 0.0
    strikes: int = 0
    last_error: str | None = None
    deprecated: tuple[str, ...] = ()
    """Hooks of this plugin that will go away, with what to use instead."""
    operations: tuple[OperationRecord, ...] = ()
    """What is there at ``/x/<plugin>/…``, by name; empty while the plugin is not enabled."""
