"""Agents."""

from aiohttp import web

from rig.http.ask import AS_OF, Ask, outcome
from rig.http.routes import lists
from rig.model.decide import agent as commands
from rig.model.states import WORKING
from rig.model.tables import AGENTS, ISSUES, STREAMS, Query
from rig.store.port import Snapshot
from rig.store.units import Committed, Outcome
from rig.wire import views
from rig.wire.shapes import answers, requests

PAGE = 1000


async def list_agents(ask: Ask) -> web.StreamResponse:
    """``GET /api/agents``: one array of all known agents, by id."""
    now = ask.deps.clock.now()
    return await lists.array(ask, Query(AGENTS, ask.call.tenant, (("known", "=", 1),), limit=10_000), views.agent, now)


async def get_streams(ask: Ask) -> web.StreamResponse:
    """``GET /api/streams``: the backlog of every agent that was ever assigned anything (R0-54 … R0-57)."""
    tenant = ask.call.tenant

    def job(snapshot: Snapshot) -> tuple[dict[str, answers.AgentStream], int]:
        found: dict[str, answers.AgentStream] = {}
        after: str | None = None
        while page := snapshot.page(Query(STREAMS, tenant, limit=PAGE, after_key=after)):
            found.update((agent, views.agent_stream(row)) for agent, row in page)
            after = page[-1][0]
        return found, snapshot.as_of(tenant)

    streams, as_of = await lists.snapshot(ask, job)
    return ask.answer(streams, headers={AS_OF: str(as_of)})


async def release_agent(ask: Ask) -> web.StreamResponse:
    """``POST /api/v1/agents/{id}/release``: for an agent that is known to be dead; 409 when it holds nothing."""
    name = ask.path("id")
    body = await ask.body(requests.Reason)
    held = await lists.snapshot(ask, lambda snapshot: _held(snapshot, ask.call.tenant, name))

    def answer(committed: Committed) -> Outcome:
        return outcome(answers.AgentReleased(agent_id=name, released=held))

    command = commands.Free(issues=tuple(held), reason=body.reason or "released by an operator")
    return await ask.command("agent", name, command, answer)


def _held(snapshot: Snapshot, tenant: str, agent: str) -> list[str]:
    """Issues that an agent works on now."""
    query = Query(ISSUES, tenant, (("state", "in", tuple(sorted(WORKING))),), limit=100_000)
    return [stream for stream, row in snapshot.page(query) if row.agent == agent]
