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
    state: str | None = None
    """``retry`` when the plugin failed and is asked again later, ``replayed`` for a replay; absent otherwise."""


class Delivery(Camel):
    id: str
    source: str
    event: str
    received_at: str
    matched: int
    ignored: str | None
    streams: tuple[str, ...]
    state: str
    tries: int
    error: str | None
    next_try_at: str | None
    body_kept: bool


class DeliveryDetail(Delivery):
    digest: str
    size: int
    headers: dict[str, str]
    caused: tuple[str, ...]
    replays: int


SHAPES: dict[str, Any] = {
    "DeliveryAccepted": DeliveryAccepted,
    "Deliveries": list[Delivery],
    "DeliveryDetail": DeliveryDetail,
}
