"""The fold of what waits for a person: open questions, issues held for approval, failed issues, pull requests at a gate."""

from collections.abc import Iterable

from rig.model.events import Event
from rig.model.rows import AttentionRow, IssueRow
from rig.model.tables import ATTENTION, QUESTIONS, Tables

OPTIONS = {"approval": ("approve", "deny"), "failure": ("retry", "cancel"), "gate": ("approve", "deny")}
"""Kind to what may be answered; a question has its own options."""

SHOWN = 1000
"""Characters of a reason that are shown."""


def follow(before: IssueRow | None, after: IssueRow, event: Event, tables: Tables) -> None:
    """Keep Attention in step with an issue whose event applied."""
    old, new = (_kinds(before) if before is not None else {}), _kinds(after)
    if old != new:
        for kind in old.keys() - new.keys():
            tables.delete(ATTENTION, f"{kind}:{after.stream}")
        for kind in sorted(kind for kind in new if old.get(kind) != new[kind]):
            row = AttentionRow(
                id=f"{kind}:{after.stream}",
                kind=kind,  # type: ignore[arg-type]  # a key of OPTIONS
                subject=after.stream,
                question=new[kind],
                options=OPTIONS[kind],
                since=event.at,
                version=event.version,
                sequence=event.sequence,
            )
            tables.put(ATTENTION, row.id, row)
    asked = before.questions if before is not None else ()
    if asked != after.questions:
        _questions(asked, after.questions, tables)


def _questions(before: Iterable[str], after: Iterable[str], tables: Tables) -> None:
    for key in before:
        if key not in after:
            tables.delete(ATTENTION, key)
    for key in after:
        row = tables.get(QUESTIONS, key) if key not in before else None
        if row is None:
            continue
        shown = AttentionRow(
            id=key,
            kind="question",
            subject=row.issue,
            question=row.question,
            options=row.options,
            since=row.asked_at,
            deadline=row.deadline,
            version=row.version,
            sequence=row.sequence,
        )
        tables.put(ATTENTION, key, shown)


def _kinds(row: IssueRow) -> dict[str, str]:
    """What of an issue waits for a person, with what that person is asked."""
    if row.state == "failed":
        return {"failure": f"It failed: {(row.reason or 'no reason given')[:SHOWN]}. Try again?"}
    if row.state == "queued" and row.orphan_status == "needs_human":
        return {"approval": f"May an agent work on this? {(row.reason or '')[:SHOWN]}".strip()}
    if row.gate is not None:
        return {"gate": f"May this be merged? {row.gate[:SHOWN]}"}
    return {}
