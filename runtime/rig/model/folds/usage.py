"""The fold of TOKEN_USAGE: one ledger line, and the totals of issue, execution and agent."""

from typing import Any

import msgspec
from msgspec.structs import replace

from rig.model import identity
from rig.model.events import Event, encode
from rig.model.folds.work import execution_of
from rig.model.rows import AgentRow, SpendRow, Tokens, UsageRow
from rig.model.spend import DAY, HOUR, display_tenant
from rig.model.tables import AGENTS, EXECUTIONS, ISSUES, SPEND, USAGE, Tables


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
    line = UsageRow(
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
    )
    tables.put(USAGE, f"{event.sequence:016d}", line)
    _roll_up(line, tables)
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


def _roll_up(line: UsageRow, tables: Tables) -> None:
    """Add a line to the sums of all time, of its day and of its hour."""
    for level, bucket in (("total", 0), ("day", line.at // DAY), ("hour", line.at // HOUR)):
        key = encode([level, bucket, line.agent, line.repo, line.category, line.display]).decode()
        row = tables.get(SPEND, key) or SpendRow(
            level=level,  # type: ignore[arg-type]  # one of three, as the tuple above has them
            bucket=bucket,
            agent=line.agent,
            repo=line.repo,
            category=line.category,
            display=line.display,
        )
        unpriced = line.rule == "unpriced"
        tables.put(
            SPEND,
            key,
            replace(
                row,
                tokens=row.tokens + line.tokens,
                cost=row.cost + line.counted,
                lines=row.lines + 1,
                unpriced=row.unpriced + unpriced,
                unpriced_cost=row.unpriced_cost + (line.counted if unpriced else 0),
                version=line.version,
                sequence=line.sequence,
            ),
        )


def _cost(event: Event) -> dict[str, Any]:
    found = msgspec.json.decode(event.meta).get("cost")
    return found if isinstance(found, dict) else {}
