"""Answers about the configuration."""

from typing import Any

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


SHAPES: dict[str, Any] = {
    "Config": Config,
    "Overlay": Overlay,
    "OverlayChanged": OverlayChanged,
}
