"""Answers about the configuration."""

from typing import Any, Literal

from rig.wire.shapes.answers.base import Snake


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


class AvailableModel(Snake):
    id: str
    display_name: str
    is_default: bool
    """Whether sessions get it where neither job nor dispatch names one."""


class Models(Snake):
    provider: str
    models: list[AvailableModel]
    source: Literal["program", "configured"]
    """Whether its program or server said so, or only what is configured is known."""
    reason: str | None
    """Why its program did not say; null when it did, or can't be asked."""


SHAPES: dict[str, Any] = {
    "Models": Models,
    "Config": Config,
    "Overlay": Overlay,
    "OverlayChanged": OverlayChanged,
}
