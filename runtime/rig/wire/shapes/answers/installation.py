"""Answers about plugins and configuration."""

from typing import Any, Literal

from rig.wire.shapes.answers.base import Snake


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


class Config(Snake):
    config: dict[str, Any]
    provenance: dict[str, str]
    """Dotted key to where its value comes from; keys not named have their built-in default."""
    version: int


class Overlay(Snake):
    overlay: dict[str, Any]
    version: int


class OverlayChanged(Snake):
    updated: bool
    overlay: dict[str, Any]
    version: int


SHAPES: dict[str, Any] = {
    "Plugins": list[Plugin],
    "Config": Config,
    "Overlay": Overlay,
    "OverlayChanged": OverlayChanged,
}
