"""Configured webhook sources as ports: what takes deliveries in needs of the configuration and of the plugin that reads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rig.plugin.contexts import Identity, Mapped, WebhookDelivery, WebhookSettings


class HookSource(Protocol):
    """A webhook source under its plugin's guard (``rig.plugin.guarded.GuardedSource``)."""

    type: str

    async def verify(self, delivery: WebhookDelivery, secrets: Sequence[str]) -> None:
        """Raises BadSignature."""
        ...

    async def identify(self, delivery: WebhookDelivery) -> Identity: ...

    async def normalize(self, delivery: WebhookDelivery, settings: WebhookSettings) -> Mapped: ...


@dataclass(frozen=True)
class Hook:
    """A configured webhook source with the plugin that reads it."""

    name: str
    source: HookSource
    secrets: tuple[str, ...]
    """Current secret first; a source without one accepts nothing."""
    tenant: str = "default"
    requests_per_minute: int = 600
    """0: no limit."""
