"""What waits for a reviewer."""

from aiohttp import web

from rig.http import longpoll
from rig.http.ask import Ask
from rig.model import identity
from rig.model.rows import IssueRow
from rig.model.tables import ISSUES, REVIEWS, Query
from rig.wire import views

PAGE = 100


async def get_next_review(ask: Ask) -> web.StreamResponse:
    """``GET /api/reviews/next``: a pure read. Of two who post REVIEW_ASSIGNED for it the first has it (0.18)."""
    agent = ask.text("agentId")
    if agent is not None:
        identity.agent_stream(agent)

    async def look() -> IssueRow | None:
        return _next(ask, agent)

    found = await longpoll.until(ask, look, lambda row: row is not None, ("reviews", None), wait=longpoll.seconds(ask))
    return web.Response(status=204) if found is None else ask.answer(views.review(found))


def _next(ask: Ask, agent: str | None) -> IssueRow | None:
    """The head of the reviews that is not the agent's own work."""
    tenant, offset = ask.call.tenant, 0
    with ask.deps.store.snapshot() as snapshot:
        while page := snapshot.page(Query(REVIEWS, tenant, (), ("rank", "queued_sequence"), PAGE, offset)):
            for _, row in page:
                if agent is None or row.author != agent:
                    return snapshot.get(ISSUES, tenant, row.stream)
            offset += PAGE
    return None
