"""The fold of agents: from heartbeats, and from what happens to the issues they hold (R0-33 … R0-37)."""

from typing import Any

from msgspec.structs import replace

from rig.model import facts
from rig.model.events import Event
from rig.model.rows import AgentRow, IssueRow
from rig.model.states import TERMINAL, WAITING
from rig.model.tables import AGENTS, Tables


def fold_heartbeat(event: Event, body: dict[str, Any], tables: Tables) -> None:
    """A heartbeat says what the agent does and can do; an idle one clears what it worked on."""
    row = tables.get(AGENTS, event.stream) or AgentRow(id=event.stream, created_at=event.at)
    changes: dict[str, Any] = {"known": True, "last_heartbeat": event.at, "version": event.version, "sequence": event.sequence}
    if "status" in body:
        changes["status"] = body["status"]
    if body.get("status", row.status) == "idle":
        changes |= {"issue": None, "number": None, "repo": None}
    else:
        number, repo = body.get("currentIssue"), body.get("currentRepo") or row.repo
        stream = facts.reference(number, repo)
        if stream is not None:
            changes |= {"issue": stream, "number": number if isinstance(number, int) else row.number, "repo": repo}
    if "activeProvider" in body:
        changes["active_provider"] = body["activeProvider"]
    for field, name in (
        ("available_providers", "availableProviders"),
        ("providers", "providers"),
        ("integrations", "integrations"),
    ):
        if name in body:
            changes[field] = tuple(body[name])
    tables.put(AGENTS, event.stream, replace(row, **changes))


def follow(before: IssueRow | None, after: IssueRow, event: Event, body: dict[str, Any], tables: Tables) -> None:
    """An issue's event moves its agent between working and idle at once, without waiting for a heartbeat.

    An issue that goes into review or deployment is still what its agent works on, until one of them says otherwise (R0-35).
    """
    kind = event.type
    if kind in ("issue_assigned", "work_started") and after.agent:
        row = tables.get(AGENTS, after.agent) or AgentRow(id=after.agent, created_at=event.at)
        if (row.status, row.issue, row.known) != ("working", after.stream, True):
            now = {"status": "working", "issue": after.stream, "number": after.number, "repo": after.repo, "known": True}
            tables.put(AGENTS, row.id, replace(row, **now))
        return
    if before is None or before.agent is None:
        return
    left = before.state != after.state and (after.state in TERMINAL | WAITING or kind == "work_completed")
    counted = after.state != before.state and (kind in ("issue_done", "issue_forced_done") or after.state == "done")
    failed = kind in ("agent_stuck", "escalated")
    if not (left or counted or failed):
        return
    found = tables.get(AGENTS, before.agent)
    if found is None:
        return
    changes: dict[str, Any] = {"completed": found.completed + counted, "failed": found.failed + failed}
    if left and found.issue == after.stream:
        status = "stuck" if kind == "agent_stuck" else "idle"
        changes |= {"status": status, "issue": None, "number": None, "repo": None}
    tables.put(AGENTS, found.id, replace(found, **changes))
