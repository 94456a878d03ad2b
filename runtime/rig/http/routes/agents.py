"""Agents."""

from aiohttp import web

from rig.http.ask import Ask
from rig.http.routes import lists
from rig.model.tables import AGENTS, Query
from rig.wire import views


async def list_agents(ask: Ask) -> web.StreamResponse:
    """``GET /api/agents``: one array of all known agents, by id."""
    now = ask.deps.clock.now()
    return await lists.array(ask, Query(AGENTS, ask.call.tenant, limit=10_000), lambda row: views.agent(row, now))
