"""What a tracker's page causes: issues judged against their rows, as the events of one unit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from heapq import nsmallest
from typing import Any

from rig.errors import RigError
from rig.ids import DEFAULT_TENANT
from rig.model import delivery, facts, identity
from rig.model.events import NewEvent, encode
from rig.model.rows import TrackedRow
from rig.model.states import WAITING, WORKING
from rig.model.tables import ISSUES, TRACKED, Query, R
from rig.model.tracking import Judged, Rules, TrackedIssue, judge, judge_gone
from rig.store.port import Snapshot

STREAM = "trackers"
PAGE = 200
"""Rows that are read at a time."""
OPEN_STATES = tuple(sorted(WAITING | WORKING))
"""States of issues that wait or are worked on."""
MAX_ID = 200


@dataclass
class Found:
    """The events of a unit, and what they were decided on."""

    events: list[NewEvent] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    expect: dict[str, int] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    """Id to why an issue can't be used."""
    stale: bool = False
    """Whether an issue must be asked for again."""

    def unit_events(self, tracker: str) -> tuple[NewEvent, ...]:
        """The effects, and after them what is kept of the tracker's words."""
        polled = {"tracker": tracker, "issues": self.entries}
        return (*self.events, NewEvent(STREAM, "tracker_polled", encode(polled))) if self.entries else tuple(self.events)


def decide(snapshot: Snapshot, tracker: str, issues: Sequence[TrackedIssue | TrackedRow], rules: Rules, as_of: int) -> Found:
    """Judge issues as listed, and rows of issues that are not shown any more. ``as_of``: the log before the tracker was asked."""
    found = Found()
    checked = [(issue, unusable(issue) if isinstance(issue, TrackedIssue) else None) for issue in issues]
    usable = [issue for issue, wrong in checked if wrong is None]
    rows = snapshot.found(ISSUES, DEFAULT_TENANT, [_stream(issue) for issue in usable])
    told = snapshot.found(TRACKED, DEFAULT_TENANT, [_key(tracker, issue.id) for issue in usable])
    for issue, wrong in checked:
        if wrong is not None:
            found.faults[str(issue.id)[:MAX_ID]] = wrong
            continue
        stream = _stream(issue)
        if isinstance(issue, TrackedRow):
            judged = judge_gone(rows.get(stream), issue, as_of, tracker)
        else:
            judged = judge(issue, rows.get(stream), told.get(_key(tracker, issue.id)), rules, as_of, tracker)
        try:
            events = [*_events(stream, judged, tracker)]
        except RigError as error:
            found.faults[issue.id] = f"{stream}: {error.message}"
            continue
        found.stale = found.stale or judged.stale
        found.events += events
        if events:
            found.expect[stream] = snapshot.stream_version(DEFAULT_TENANT, stream)
        if judged.entry is not None:
            found.entries.append(judged.entry)
    return found


def missing(snapshot: Snapshot, tracker: str, shown: Mapping[str, object]) -> list[TrackedRow]:
    """Rows of a tracker whose ids are not among ``shown`` and are not known to be gone."""
    found: list[TrackedRow] = []
    query = Query(TRACKED, DEFAULT_TENANT, (("tracker", "=", tracker),), limit=PAGE, after_key=_key(tracker, ""))
    while page := snapshot.page(query):
        found += (row for _, row in page if row.id not in shown and row.phase != "gone")
        query = replace(query, after_key=page[-1][0])
    return found


def open_rows(snapshot: Snapshot, tracker: str, after: str, limit: int) -> list[TrackedRow]:
    """The next rows after an id whose issues wait or are worked on.

    They are looked up from those issues: what waits is little, what a tracker ever told of is much.
    """
    found: list[TrackedRow] = []
    for page in _pages(snapshot, Query(ISSUES, DEFAULT_TENANT, (("state", "in", OPEN_STATES),), ("repo", "number"), PAGE)):
        streams = [stream for stream, _ in page]
        for rows in _pages(snapshot, Query(TRACKED, DEFAULT_TENANT, (("stream", "in", streams),), ("stream",), PAGE)):
            found += (row for _, row in rows if row.tracker == tracker and row.id > after and row.phase != "gone")
    return nsmallest(limit, found, key=lambda row: row.id)


def _pages(snapshot: Snapshot, query: Query[R]) -> Iterator[list[tuple[str, R]]]:
    """All rows that a query with an order finds."""
    while page := snapshot.page(query):
        yield page
        if len(page) < query.limit:
            break
        query = replace(query, offset=query.offset + query.limit)


def _stream(issue: TrackedIssue | TrackedRow) -> str:
    return issue.stream if isinstance(issue, TrackedRow) else issue.identifier


def _key(tracker: str, issue: str) -> str:
    return f"{tracker}\n{issue}"


def _events(stream: str, judged: Judged, tracker: str) -> Iterator[NewEvent]:
    repo, number = identity.split_issue(stream)
    names: dict[str, Any] = {"identifier": stream} if repo is None else {"repo": repo, "issueNumber": number}
    for type_, body in judged.events:
        checked = facts.parse({"type": "issue_approved", **names, **body})  # every one has fields of that one
        yield NewEvent(stream, type_, encode(checked.body), encode({"tracker": tracker}))


def unusable(issue: TrackedIssue) -> str | None:
    """What is wrong with an issue, so that nothing of it may be stored."""
    if not (isinstance(issue.id, str) and issue.id and issue.id.isprintable() and len(issue.id) <= MAX_ID):
        return "its id is not readable"
    if not isinstance(issue.identifier, str) or not identity.is_issue(issue.identifier):
        return f"{str(issue.identifier)[:100]!r} is no name of an issue: owner/repo#42 or ABC-123"
    try:
        delivery.storable(asdict(issue))
    except RigError as error:
        return f"{issue.identifier}: {error.message}"
    return None
