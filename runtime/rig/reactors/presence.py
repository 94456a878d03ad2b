"""What the executor's slots say of themselves: each is an agent like any other (R0-33)."""

import logging

from rig.errors import RigError
from rig.ids import DEFAULT_TENANT
from rig.model.events import NewEvent, encode
from rig.store.port import Store
from rig.store.units import Unit
from rig.work.order import WorkOrder

log = logging.getLogger(__name__)

AGENT = "rig-"
"""Names of the executor's agents: ``rig-1`` … one a slot."""


def agent_name(slot: int) -> str:
    """The agent that a slot works as."""
    return f"{AGENT}{slot}"


class Presence:
    """The heartbeats of the slots that work."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._limits: dict[str, str] = {}
        """By provider."""

    async def beat(self, order: WorkOrder) -> None:
        """Say that the slot lives, with what, and at what."""
        limits = self._limits.get(order.provider)
        said = {
            "agentId": order.agent,
            "status": "working",
            "currentIssue": order.number,
            "currentRepo": order.repo,
            "activeProvider": order.provider,
            "availableProviders": [order.provider],
            "providers": [{"name": order.provider, "status": "ready", "details": limits, "active": True}] if limits else None,
        }
        event = NewEvent(order.agent, "heartbeat", encode({name: value for name, value in said.items() if value is not None}))
        try:
            await self._store.commit(Unit(DEFAULT_TENANT, (event,), operation="dispatch"))
        except RigError as error:
            log.warning("the heartbeat of %s was not stored: %s", order.agent, error.message)

    async def limits(self, order: WorkOrder, text: str) -> None:
        """How much of its account's limits a provider says is used: shown with every slot that works with it from now on."""
        self._limits[order.provider] = text
        await self.beat(order)
