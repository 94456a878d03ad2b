"""What an issue of a tracker means for Rig: nothing, work, an edit, an end. Pure.

Looked at is how things stand, never what has happened: whoever told Rig first, a webhook or a poll, the other finds nothing left
to do. What a tracker said last (``TrackedRow``) tells a reopened issue from one that merely was never closed there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

import msgspec

from rig.model import priority
from rig.model.rows import IssueRow, TrackedRow
from rig.model.states import OPEN, TERMINAL, WAITING

Phase = Literal["active", "inactive", "done", "cancelled"]
PHASES: tuple[Phase, ...] = ("active", "inactive", "done", "cancelled")
CLOSED = ("done", "cancelled")

_CANCELLING = ("cancel", "duplicate", "wont", "won't", "reject", "not planned", "invalid")
"""Parts of the names of terminal states in which work is given up."""


@dataclass(frozen=True)
class TrackedIssue:
    """An issue as its tracker shows it. Its texts are untrusted; a name or a text that can't be stored makes it a fault."""

    id: str
    """The tracker's own id, opaque and lasting; at most 200 characters."""
    identifier: str
    """``owner/repo#42`` or ``ENG-123``: the issue's stream, the same that a webhook of the tracker leads to."""
    state: str
    """The tracker's own word, such as ``In Progress``."""
    phase: Phase
    """What that word means: work to do, not to do now, done, given up. `[tracker]` may say otherwise."""
    title: str = ""
    """One line of at most 1000 characters."""
    description: str = ""
    """Markdown, at most 262144 characters."""
    url: str = ""
    """Where people find it."""
    labels: tuple[str, ...] = ()
    """At most 100, in their own letter case."""
    priority: str | None = None
    """``critical``, ``high``, ``normal``, ``low``; None: none was given."""
    depends_on: tuple[str, ...] | None = None
    """Identifiers of its blockers; None: the tracker does not tell."""
    parent: str | None = None
    """Identifier of its epic; None: it has none, or the tracker does not tell."""
    hold: str | None = None
    """Why a person must approve it before it is worked on; None: nobody must."""
    why: str = ""
    """Why it is inactive, in a few words; empty: its state says it all."""
    version: str = ""
    """When it was changed last, in the tracker's own words."""
    created: str = ""
    """When it was made, in ISO 8601; the older of two alike is queued first."""


class Rules(msgspec.Struct, frozen=True):
    """``[tracker]``, as far as it says which issues are work."""

    active_states: tuple[str, ...] = ()
    """Empty: the tracker's own judgement."""
    terminal_states: tuple[str, ...] = ()
    required_labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judged:
    """What is to be done about an issue."""

    events: tuple[tuple[str, dict[str, Any]], ...] = ()
    """Type and body, without the names of the issue."""
    entry: dict[str, Any] | None = None
    """What is to be kept of it in ``tracker_polled``; None: it is known."""
    stale: bool = False
    """Whether something has happened since the tracker was asked, so that it must be asked again."""


def judge(
    seen: TrackedIssue, row: IssueRow | None, before: TrackedRow | None, rules: Rules, as_of: int, tracker: str = "the tracker"
) -> Judged:
    """Decide about an issue that a tracker listed. ``as_of`` is the log's newest sequence before it was asked."""
    phase, why = standing(seen, rules)
    digests = {name: _digest(value) for name, value in _fields(seen).items()}
    entry = {
        "id": seen.id,
        "stream": seen.identifier,
        "state": seen.state,
        "phase": phase,
        "why": seen.hold if seen.hold and phase == "active" else why,
        "hold": seen.hold is not None,
        "fields": digests,
        "version": seen.version,
    }
    events: tuple[tuple[str, dict[str, Any]], ...] = ()
    if phase in CLOSED:
        if row is not None and row.state in OPEN and (before is None or before.phase not in CLOSED):
            events = (_end(phase, f"{_word(phase)} in {tracker}"),)
    elif phase == "inactive":
        if _withdrawn(row, before):
            events = (("issue_cancelled", {"reason": f"not to be done now: {why}"}),)
    elif _reopened(row, before) and row is not None and row.sequence > as_of:
        return Judged(stale=True)
    else:
        events = _active(seen, row, before, digests)
    kept = None if before is not None and _known(entry, before) else entry
    if phase != "active" and (events or kept) and _late(row, as_of):
        return Judged(stale=True)
    return Judged(events, kept)


def judge_gone(row: IssueRow | None, before: TrackedRow, as_of: int, tracker: str = "the tracker") -> Judged:
    """Decide about an issue that its tracker does not show any more. An agent that works on it goes on: a tracker may be wrong."""
    if _late(row, as_of):
        return Judged(stale=True)
    events: tuple[tuple[str, dict[str, Any]], ...] = ()
    if _withdrawn(row, before):
        events = (("issue_cancelled", {"reason": f"{tracker} does not show it any more"}),)
    entry = {
        "id": before.id,
        "stream": before.stream,
        "state": before.state,
        "phase": "gone",
        "why": f"{tracker} does not show it any more",
        "hold": before.hold,
        "fields": before.fields,
        "version": before.updated,
    }
    return Judged(events, None if before.phase == "gone" else entry)


def standing(seen: TrackedIssue, rules: Rules) -> tuple[Phase, str]:
    """What an issue's state means under ``[tracker]``, and why it is not work (empty when it is)."""
    phase, state = seen.phase, _plain(seen.state)
    if state in map(_plain, rules.terminal_states):
        if phase not in CLOSED:
            phase = "cancelled" if any(part in state for part in _CANCELLING) else "done"
    elif rules.active_states and phase not in CLOSED:
        phase = "active" if state in map(_plain, rules.active_states) else "inactive"
    if phase == "inactive":
        return phase, seen.why or f"its state is {seen.state or 'unknown'}"
    if phase in CLOSED:
        return phase, f"it is {_word(phase)}"
    if seen.why:
        return "inactive", seen.why
    carried = {_plain(label) for label in seen.labels}
    if missing := [label for label in rules.required_labels if _plain(label) not in carried]:
        return "inactive", f"it lacks the label {', '.join(missing)}"
    return phase, ""


def order(seen: TrackedIssue) -> tuple[int, str, str]:
    """The order in which new issues of a page are queued: priority, age (unknown last), name."""
    return priority.rank(seen.priority), seen.created or "\uffff", seen.identifier


def _active(
    seen: TrackedIssue, row: IssueRow | None, before: TrackedRow | None, digests: Mapping[str, str]
) -> tuple[tuple[str, dict[str, Any]], ...]:
    if row is None:
        return (_begin(seen),)
    if row.state in TERMINAL:
        return (_begin(seen),) if _reopened(row, before) and seen.hold is None else ()
    held = row.state in WAITING and row.orphan_status == "needs_human"
    if held and before is not None and before.hold and seen.hold is None:
        return (_begin(seen),)
    changes = _changes(seen, row, before, digests)
    if seen.hold is not None and not held and changes.keys() & {"title", "description"}:
        if row.state in WAITING:  # what was approved is not what would be done now
            return (_begin(seen),)
        changes = {name: value for name, value in changes.items() if name not in ("title", "description")}
    return (("issue_edited", changes),) if changes else ()


def _begin(seen: TrackedIssue) -> tuple[str, dict[str, Any]]:
    about = {name: value for name, value in _fields(seen).items() if value not in (None, "")}
    if seen.hold is not None:
        return "issue_needs_human", {"reason": seen.hold, **about}
    return "issue_approved", about


def _end(phase: str, reason: str) -> tuple[str, dict[str, Any]]:
    return ("issue_done" if phase == "done" else "issue_cancelled"), {"reason": reason}


def _served(row: IssueRow | None, before: TrackedRow | None) -> bool:
    """Whether somebody has approved the issue since its tracker was heard last."""
    return row is not None and before is not None and row.approved_sequence > before.approved


def _late(row: IssueRow | None, as_of: int) -> bool:
    """Whether somebody has approved it while the tracker was asked."""
    return row is not None and row.approved_sequence > as_of


def _withdrawn(row: IssueRow | None, before: TrackedRow | None) -> bool:
    """Whether an issue that waits was work by its tracker's word alone, so that the same word takes it back."""
    return (
        row is not None
        and row.state in WAITING
        and before is not None
        and before.phase == "active"
        and not _served(row, before)
    )


def _reopened(row: IssueRow | None, before: TrackedRow | None) -> bool:
    """Whether an issue that ended in Rig is active again in its tracker, and nobody else has queued it for that yet."""
    if row is None or row.state not in TERMINAL or before is None or before.phase == "active" or _served(row, before):
        return False
    return before.phase != "gone" or row.state == "cancelled"


def _fields(seen: TrackedIssue) -> dict[str, Any]:
    return {
        "title": seen.title,
        "description": seen.description,
        "url": seen.url,
        "labels": list(seen.labels),
        "priority": seen.priority,
        "dependsOn": None if seen.depends_on is None else list(seen.depends_on),
        "parent": seen.parent,
    }


def _changes(seen: TrackedIssue, row: IssueRow, before: TrackedRow | None, digests: Mapping[str, str]) -> dict[str, Any]:
    """What was changed in the tracker since it was heard last (ever: what it says) and is not so in Rig."""
    stands: dict[str, Any] = {
        "title": row.title or "",
        "description": row.description or "",
        "url": row.url or "",
        "labels": list(row.labels),
        "priority": row.priority,
        "dependsOn": list(row.depends_on),
        "parent": row.parent,
    }
    found: dict[str, Any] = {}
    for name, value in _fields(seen).items():
        if before is None and value in (None, "", []):
            continue
        if before is not None and before.fields.get(name) == digests[name]:
            continue
        if name in ("dependsOn", "parent") and value is None:
            continue
        if (priority.rank(value) if name == "priority" else value) != stands[name]:
            found[name] = "normal" if name == "priority" and value is None else value
    return found


def _known(entry: Mapping[str, Any], before: TrackedRow) -> bool:
    """Whether all but the version is as it was: a comment in the tracker is nothing to Rig."""
    same: bool = (
        entry["phase"] == before.phase
        and entry["state"] == before.state
        and entry["stream"] == before.stream
        and entry["why"] == before.why
        and entry["hold"] == before.hold
        and entry["fields"] == before.fields
    )
    return same


def _digest(value: object) -> str:
    return sha256(msgspec.json.encode(value)).hexdigest()[:12]


def _plain(text: str) -> str:
    return text.strip().lower()


def _word(phase: str) -> str:
    return "closed as completed" if phase == "done" else "closed as not to be done"
