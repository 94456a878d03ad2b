"""Answers about webhook deliveries."""

from typing import Any

from rig.wire.shapes.answers.base import Camel


class StartedJob(Camel):
    job_id: str
    agent: str


class DeliveryAccepted(Camel, omit_defaults=True):
    delivery_id: str
    duplicate: bool
    matched: int
    jobs: tuple[StartedJob, ...]
    ignored: str | None = None


class Delivery(Camel):
    id: str
    source: str
    event: str
    received_at: str
    matched: int
    ignored: str | None
    streams: tuple[str, ...]


SHAPES: dict[str, Any] = {
    "DeliveryAccepted": DeliveryAccepted,
    "Deliveries": list[Delivery],
}
