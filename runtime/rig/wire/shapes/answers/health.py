"""Answers about whether Rig lives and is well."""

from typing import Any, Literal

from rig.wire.shapes.answers.base import Camel


class Health(Camel):
    status: Literal["ok"]
    timestamp: str


class Ready(Camel):
    status: Literal["ok"]


class DependencyHealth(Camel):
    name: str
    status: Literal["Ok", "Degraded", "Unreachable"]
    critical: bool
    reason: str | None
    latency_ms: int
    last_check_at: str


class DeepHealth(Camel):
    overall: Literal["Ok", "Degraded", "Unreachable"]
    dependencies: list[DependencyHealth]
    checked_at: str


SHAPES: dict[str, Any] = {
    "Health": Health,
    "Ready": Ready,
    "DeepHealth": DeepHealth,
}
