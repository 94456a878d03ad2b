"""What the executor's slots say of themselves: each is an agent like any other (R0-33)."""

import logging
from typing import Any

from rig.errors import RigError
from rig.ids import DEFAULT_TENANT
from rig.model.events import NewEvent, encode
from rig.model.tables import AGENTS
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
    """The heartbeats of the slots."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._working: dict[str, str] = {}
        """Provider by agent."""
        self._limits: dict[str, str] = {}
        """By provider: what its sessions say of their account, which only they keep up to date."""
        self._showing: set[str] = set()
        """Agents that show it."""

    async def beat(self, order: WorkOrder) -> None:
        """Say that the slot works, with what, and at what."""
        self._working[order.agent] = order.provider
        if limits := self._limits.get(order.provider):
            self._showing.add(order.agent)
        said = {
            "status": "working",
            "currentIssue": order.number,
            "currentRepo": order.repo,
            "activeProvider": order.provider,
            "availableProviders": [order.provider],
            "providers": [{"name": order.provider, "status": "ready", "details": limits, "active": True}] if limits else [],
        }
        await self._say(order.agent, {name: value for name, value in said.items() if value is not None})

    async def limits(self, order: WorkOrder, text: str) -> None:
        """How much of its account's limits a provider says is used: holds for every slot that works with it, until none does."""
        self._limits[order.provider] = text
        await self.beat(order)

    async def left(self, agent: str) -> None:
        """The slot works no more, also where a daemon before this one was killed: what it showed of limits is shown no longer."""
        self._working.pop(agent, None)
        self._limits = {name: text for name, text in self._limits.items() if name in self._working.values()}
        row = self._store.get(AGENTS, DEFAULT_TENANT, agent)
        if agent in self._showing or (row is not None and row.providers):
            self._showing.discard(agent)
            await self._say(agent, {"providers": []})

    async def _say(self, agent: str, body: dict[str, Any]) -> None:
        event = NewEvent(agent, "heartbeat", encode({"agentId": agent, **body}))
        try:
            await self._store.commit(Unit(DEFAULT_TENANT, (event,), operation="dispatch"))
        except RigError as error:
            log.warning("the heartbeat of %s was not stored: %s", agent, error.message)
