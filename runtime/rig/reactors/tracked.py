"""What a tracker's page causes: issues judged against their rows, as the events of one unit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rig.errors import RigError
from rig.ids import DEFAULT_TENANT
from rig.model import delivery, facts, identity
from rig.model.events import NewEvent, encode
from rig.model.rows import TrackedRow
from rig.model.states import WAITING, WORKING
from rig.model.tables import ISSUES, TRACKED, Query
from rig.model.tracking import Judged, Rules, TrackedIssue, judge, judge_gone
from rig.store.port import Snapshot

STREAM = "trackers"
PAGE = 500
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
    for issue in issues:
        if isinstance(issue, TrackedIssue) and (wrong := unusable(issue)):
            found.faults[str(issue.id)[:MAX_ID]] = wrong
            continue
        stream = issue.stream if isinstance(issue, TrackedRow) else issue.identifier
        row = snapshot.get(ISSUES, DEFAULT_TENANT, stream)
        if isinstance(issue, TrackedRow):
            judged = judge_gone(row, issue, as_of, tracker)
        else:
            before = snapshot.get(TRACKED, DEFAULT_TENANT, f"{tracker}\n{issue.id}")
            judged = judge(issue, row, before, rules, as_of, tracker)
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
    return [row for row in _rows(snapshot, tracker) if row.id not in shown and row.phase != "gone"]


def open_rows(snapshot: Snapshot, tracker: str, after: str, limit: int) -> list[TrackedRow]:
    """The next rows after an id whose issues wait or are worked on."""
    found: list[TrackedRow] = []
    for row in _rows(snapshot, tracker, after):
        issue = snapshot.get(ISSUES, DEFAULT_TENANT, row.stream)
        if issue is not None and issue.state in WAITING | WORKING and row.phase != "gone":
            found.append(row)
            if len(found) == limit:
                break
    return found


def _rows(snapshot: Snapshot, tracker: str, after: str = "") -> Iterator[TrackedRow]:
    key = f"{tracker}\n{after}"
    while page := snapshot.page(Query(TRACKED, DEFAULT_TENANT, (("tracker", "=", tracker),), limit=PAGE, after_key=key)):
        yield from (row for _, row in page)
        key = page[-1][0]


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
