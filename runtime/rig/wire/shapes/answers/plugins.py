"""Answers about plugins."""

from typing import Any, Literal

from rig.wire.shapes.answers.base import Snake


class PluginOperation(Snake):
    name: str
    method: Literal["GET", "POST"]
    scope: Literal["read", "write", "admin"]
    summary: str
    undescribed: str | None
    """Why this description does not show it; null where it does."""


class Plugin(Snake):
    name: str
    distribution: str | None
    version: str | None
    state: Literal["enabled", "disabled", "load_error", "config_error", "quarantined"]
    hooks: list[str]
    calls: int
    ms_per_call: float
    strikes: int
    last_error: str | None
    deprecated: list[str]
    """Hooks of the plugin that will go away, with what to use instead."""
    operations: list[PluginOperation]
    """What is there at ``/x/<plugin>/…``; empty while the plugin is not enabled."""


class PluginCall(Snake):
    n: int
    at: str
    plugin: str
    what: str
    ms: float
    outcome: Literal["ok", "refused", "fault"]
    error: str | None


class PluginCalls(Snake):
    calls: list[PluginCall]
    newest: int
    """What ``after`` goes on with."""


SHAPES: dict[str, Any] = {
    "Plugin": Plugin,
    "Plugins": list[Plugin],
    "PluginCalls": PluginCalls,
}
