"""The fold of TOKEN_USAGE: one ledger line, and the totals of issue, execution and agent."""

from typing import Any

import msgspec
from msgspec.structs import replace

from rig.clock import iso
from rig.model import identity
from rig.model.events import Event
from rig.model.folds.work import execution_of
from rig.model.rows import AgentRow, SpendRow, Tokens, UsageRow
from rig.model.spend import account, display_tenant, of_line
from rig.model.tables import (
    AGENTS,
    EXECUTIONS,
    ISSUES,
    SPEND_BY_CATEGORY,
    SPEND_BY_DAY,
    SPEND_BY_REPO,
    USAGE,
    Table,
    Tables,
)


def tokens_of(body: dict[str, Any]) -> Tokens:
    """The four disjoint counts of a TOKEN_USAGE body; absent ones are 0 (R0-49)."""
    return Tokens(
        body.get("inputTokens") or 0,
        body.get("outputTokens") or 0,
        body.get("cacheReadTokens") or 0,
        body.get("cacheCreationTokens") or 0,
    )


def fold(event: Event, body: dict[str, Any], tables: Tables) -> None:
    """Count a usage line once; its amounts were computed when it came in and stand in the event's ``meta``."""
    cost = _cost(event)
    tokens = tokens_of(body)
    agent = body["agentId"]
    issue = event.stream if identity.is_issue(event.stream) else None
    row = tables.get(ISSUES, issue) if issue else None
    execution_id = execution_of(row, event.type, body)
    line = _entered(
        UsageRow(
            agent=agent,
            repo=body.get("repo") or (row.repo if row else None),
            issue=issue,
            execution=execution_id,
            model=body["model"],
            category=body.get("category") or "work",
            at=event.at,
            tokens=tokens,
            reported=cost.get("reported"),
            computed=cost.get("computed"),
            counted=cost.get("counted", 0),
            rule=cost.get("rule", "unpriced"),
            version=event.version,
            display=display_tenant(body.get("tenantId")),
            sequence=event.sequence,
        ),
        tables,
    )
    tables.put(USAGE, f"{event.sequence:016d}", line)
    if row is not None:
        tables.put(
            ISSUES,
            row.stream,
            replace(
                row,
                tokens=row.tokens + tokens,
                cost=row.cost + cost.get("counted", 0),
                version=event.version,
                sequence=event.sequence,
            ),
        )
    execution = tables.get(EXECUTIONS, execution_id) if execution_id else None
    if execution is not None:
        tables.put(
            EXECUTIONS,
            execution.id,
            replace(
                execution,
                tokens=execution.tokens + tokens,
                cost=execution.cost + cost.get("counted", 0),
                model=body["model"],
                steps=execution.steps + (event.stream == execution.issue),
            ),
        )
    known = tables.get(AGENTS, agent)
    if known is None:  # R0-33: known by heartbeat or assignment only, but its model is kept for then (R0-36)
        known = AgentRow(id=agent, created_at=event.at, known=False)
    version = event.version if event.stream == agent else known.version
    tables.put(AGENTS, agent, replace(known, last_model=body["model"], version=version))


def _entered(line: UsageRow, tables: Tables) -> UsageRow:
    """Add a line to the totals that it belongs to; it keeps two of them, so that what comes later can be told from them."""
    agent, display, date = line.agent, line.display, iso(line.at)[:10]
    by_repo = _added(SPEND_BY_REPO, account(agent, line.repo, display), line, tables, repo=line.repo)
    by_category = _added(SPEND_BY_CATEGORY, account(agent, line.category, display), line, tables, category=line.category)
    _added(SPEND_BY_DAY, account(date, agent, display), line, tables, date=date)
    return replace(
        line,
        repo_account=by_repo.opened,
        repo_total=by_repo.total,
        category_account=by_category.opened,
        category_total=by_category.total,
    )


def _added(table: Table[SpendRow], key: str, line: UsageRow, tables: Tables, **of: Any) -> SpendRow:
    before = tables.get(table, key)
    if before is None:
        row = SpendRow(
            agent=line.agent,
            display=line.display,
            opened=line.sequence,
            last_at=line.at,
            total=of_line(line),
            sequence=line.sequence,
            **of,
        )
    else:
        row = replace(before, last_at=line.at, total=before.total + of_line(line), sequence=line.sequence)
    tables.put(table, key, row)
    return row


def _cost(event: Event) -> dict[str, Any]:
    found = msgspec.json.decode(event.meta).get("cost")
    return found if isinstance(found, dict) else {}
