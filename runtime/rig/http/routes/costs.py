"""Usage and costs (R0-43 … R0-53): sums over windows, and the lines that they are sums of."""

from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from rig.clock import Micros
from rig.errors import BadRequest, NotFound
from rig.http.ask import Ask
from rig.http.queries import costs as queries
from rig.http.readings import giving_way
from rig.http.routes import lists
from rig.model import facts, spend
from rig.model.events import Event
from rig.model.rows import Spent, UsageRow
from rig.model.tables import EXECUTIONS, ISSUES, SPEND_BY_CATEGORY, USAGE, Query, Where
from rig.store import ledger
from rig.store.port import Snapshot
from rig.store.reading import Reading
from rig.wire import views
from rig.wire.shapes import answers


async def get_usage(ask: Ask) -> web.StreamResponse:
    """``GET /api/usage``: of all time without ``days``."""
    days = _days(ask, 0)
    chosen = ledger.Filter(ask.text("agentId"), ask.text("repo"), _display(ask))
    tenant = ask.call.tenant

    def job(snapshot: Snapshot) -> bytes:
        start = _start(ask, days)
        if chosen == ledger.Filter():
            return ask.deps.usage.read(snapshot, tenant, days, start)
        agents = views.usage(ledger.by_repo(snapshot, tenant, start, chosen.where))
        return msgspec.json.encode(list(giving_way(agents, 30)))

    return ask.bytes(await _shared(ask, (days, chosen), job))


async def get_cost_summary(ask: Ask) -> web.StreamResponse:
    """``GET /api/costs/summary``: the same sums as usage, by category (R0-47), which are few: it waits for no heavy reading."""
    days = _days(ask, 7)
    chosen, tenant = ledger.Filter(display=_display(ask)), ask.call.tenant
    start = spend.start(ask.deps.clock.now(), days)
    return ask.bytes(await ask.deps.store.read(Reading(queries.summary, (tenant, days, start, chosen))))


async def get_daily_costs(ask: Ask) -> web.StreamResponse:
    """``GET /api/costs/daily``: by UTC date, then agent."""
    days = _days(ask, 7)
    chosen, tenant = ledger.Filter(display=_display(ask)), ask.call.tenant

    def job(snapshot: Snapshot) -> bytes:
        return msgspec.json.encode(
            views.daily_costs(days, ledger.by_day(snapshot, tenant, spend.start(ask.deps.clock.now(), days), chosen))
        )

    return ask.bytes(await _shared(ask, (days, chosen), job))


async def get_issue_costs(ask: Ask) -> web.StreamResponse:
    """``GET /api/costs/issue``: 404 for an issue that Rig does not know."""
    repo, number = ask.required("repo"), ask.integer("issueNumber", 0, 1, 2**31)
    if not number:
        raise BadRequest("issueNumber is missing", field="issueNumber")
    stream = facts.reference(number, repo)
    limit, offset = lists.window(ask)
    tenant = ask.call.tenant

    def job(snapshot: Snapshot) -> bytes | None:
        where: Where = (("issue", "=", stream),)
        totals = snapshot.totals(Query(USAGE, tenant, where), ("agent", "category"))
        if not totals and (stream is None or snapshot.get(ISSUES, tenant, stream) is None):
            return None
        sums = {record[:2]: spend.spent(record[2:]) for record in totals}
        lines = _lines(snapshot, tenant, where, limit, offset)
        return msgspec.json.encode(views.issue_costs(str(stream), sums, lines, snapshot.as_of(tenant)))

    body: bytes | None = await lists.snapshot(ask, job)
    if body is None:
        raise NotFound(f"Issue {repo}#{number} not found in conductor")
    return ask.bytes(body)


async def list_cost_lines(ask: Ask) -> web.StreamResponse:
    """``GET /api/costs/lines``: oldest first; what ``rig cost explain`` shows."""
    sequence = ask.integer("sequence", 0, 1, 2**53)
    named: dict[str, Any] = {"issue": ask.text("issue"), "execution": ask.text("execution")}
    if named["execution"] and not named["issue"]:
        execution = ask.deps.store.get(EXECUTIONS, ask.call.tenant, named["execution"])
        named["issue"] = None if execution is None else execution.issue  # which an index finds
    where: Where = tuple((column, "=", value) for column, value in named.items() if value is not None)
    limit, offset = lists.window(ask)
    tenant = ask.call.tenant

    def job(snapshot: Snapshot) -> bytes:
        if sequence:
            row = snapshot.get(USAGE, tenant, f"{sequence:016d}")
            lines = [] if row is None else [_line(snapshot, tenant, row)]
            total = Spent() if row is None else spend.of_line(row)
        else:
            lines = _lines(snapshot, tenant, where, limit, offset)
            table = USAGE if where else SPEND_BY_CATEGORY
            total = sum((spend.spent(r[1:]) for r in snapshot.totals(Query(table, tenant, where), ("agent",))), Spent())
        return msgspec.json.encode(views.cost_lines(lines, total, snapshot.as_of(tenant)))

    return ask.bytes(await lists.snapshot(ask, job))


async def _shared(ask: Ask, asked: tuple[int, ledger.Filter], job: Callable[[Snapshot], bytes]) -> bytes:
    """Sums by repository and by day are the heaviest readings, and dashboards ask for the same ones."""
    return await ask.deps.readings.read(ask.deps.store, (ask.operation.name, ask.call.tenant, asked), job)


def _days(ask: Ask, default: int) -> int:
    return ask.integer("days", default, 1, spend.MAX_DAYS)


def _start(ask: Ask, days: int) -> Micros | None:
    """When the window begins, None without one; asked within the snapshot, so that nothing read is newer than its end."""
    return spend.start(ask.deps.clock.now(), days) if days else None


def _display(ask: Ask) -> str | None:
    name = ask.text("tenantId")
    if name is None:
        return None
    name = spend.display_tenant(name)
    if name == spend.UNKNOWN:
        raise BadRequest("tenantId may not be unknown", field="tenantId")
    return name


def _lines(snapshot: Snapshot, tenant: str, where: Where, limit: int, offset: int) -> list[answers.LedgerLine]:
    rows = snapshot.page(Query(USAGE, tenant, where, limit=limit, offset=offset))
    return [_line(snapshot, tenant, row) for _, row in rows]


def _line(snapshot: Snapshot, tenant: str, row: UsageRow) -> answers.LedgerLine:
    events: list[Event] = snapshot.events(tenant, row.sequence - 1, 1)
    return views.ledger_line(row, events[0] if events else None)
