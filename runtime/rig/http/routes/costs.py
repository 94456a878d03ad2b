"""Usage and costs (R0-43 … R0-53): sums over windows, and the lines that they are sums of."""

from typing import Any

import msgspec
from aiohttp import web

from rig.errors import BadRequest, NotFound
from rig.http.ask import Ask
from rig.http.routes import lists
from rig.model import facts, spend
from rig.model.events import Event
from rig.model.rows import UsageRow
from rig.model.tables import ISSUES, USAGE, Query
from rig.store import ledger
from rig.store.port import Snapshot
from rig.wire import views
from rig.wire.shapes import answers


async def get_usage(ask: Ask) -> web.StreamResponse:
    """``GET /api/usage``: of all time without ``days``."""
    days = _days(ask, 0)
    window = spend.window(ask.deps.clock.now(), days) if days else None
    chosen = ledger.Filter(ask.text("agentId"), ask.text("repo"), _display(ask))
    tenant = ask.call.tenant

    def job(snapshot: Snapshot) -> bytes:
        return msgspec.json.encode(views.usage(ledger.sums(snapshot, tenant, window, chosen, ("agent", "repo"))))

    return ask.bytes(await lists.snapshot(ask, job))


async def get_cost_summary(ask: Ask) -> web.StreamResponse:
    """``GET /api/costs/summary``: the same sums as usage, by category (R0-47)."""
    days = _days(ask, 7)
    window, chosen, tenant = spend.window(ask.deps.clock.now(), days), ledger.Filter(display=_display(ask)), ask.call.tenant

    def job(snapshot: Snapshot) -> bytes:
        sums = ledger.sums(snapshot, tenant, window, chosen, ("agent", "category"))
        return msgspec.json.encode(views.cost_summary(days, sums, snapshot.as_of(tenant)))

    return ask.bytes(await lists.snapshot(ask, job))


async def get_daily_costs(ask: Ask) -> web.StreamResponse:
    """``GET /api/costs/daily``: by UTC date, then agent."""
    days = _days(ask, 7)
    window, chosen, tenant = spend.window(ask.deps.clock.now(), days), ledger.Filter(display=_display(ask)), ask.call.tenant

    def job(snapshot: Snapshot) -> bytes:
        return msgspec.json.encode(views.daily_costs(days, ledger.by_day(snapshot, tenant, window, chosen)))

    return ask.bytes(await lists.snapshot(ask, job))


async def get_issue_costs(ask: Ask) -> web.StreamResponse:
    """``GET /api/costs/issue``: 404 for an issue that Rig does not know."""
    repo, number = ask.required("repo"), ask.integer("issueNumber", 0, 1, 2**31)
    if not number:
        raise BadRequest("issueNumber is missing", field="issueNumber")
    stream = facts.reference(number, repo)
    limit, offset = lists.window(ask)
    tenant = ask.call.tenant

    def job(snapshot: Snapshot) -> bytes | None:
        where: ledger.Where = (("issue", "=", stream),)
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
    where: ledger.Where = tuple((column, "=", value) for column, value in named.items() if value is not None)
    limit, offset = lists.window(ask)
    tenant = ask.call.tenant

    def job(snapshot: Snapshot) -> bytes:
        if sequence:
            row = snapshot.get(USAGE, tenant, f"{sequence:016d}")
            lines = [] if row is None else [_line(snapshot, tenant, row)]
            total = len(lines)
        else:
            lines = _lines(snapshot, tenant, where, limit, offset)
            total = snapshot.count(Query(USAGE, tenant, where))
        return msgspec.json.encode(answers.CostLines(lines=lines, total=total, as_of=snapshot.as_of(tenant)))

    return ask.bytes(await lists.snapshot(ask, job))


def _days(ask: Ask, default: int) -> int:
    return ask.integer("days", default, 1, spend.MAX_DAYS)


def _display(ask: Ask) -> str | None:
    name = ask.text("tenantId")
    if name is None:
        return None
    name = spend.display_tenant(name)
    if name == spend.UNKNOWN:
        raise BadRequest("tenantId may not be unknown", field="tenantId")
    return name


def _lines(snapshot: Snapshot, tenant: str, where: ledger.Where, limit: int, offset: int) -> list[answers.LedgerLine]:
    rows = snapshot.page(Query(USAGE, tenant, where, limit=limit, offset=offset))
    return [_line(snapshot, tenant, row) for _, row in rows]


def _line(snapshot: Snapshot, tenant: str, row: UsageRow) -> answers.LedgerLine:
    events: list[Event] = snapshot.events(tenant, row.sequence - 1, 1)
    return views.ledger_line(row, events[0] if events else None)
