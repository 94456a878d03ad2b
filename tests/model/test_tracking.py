"""What a tracker's word means, as a table: issue as listed, row in Rig, what the tracker said before."""

from typing import Any

import msgspec
import pytest

from rig.model.rows import IssueRow, State, TrackedRow
from rig.model.tracking import Judged, Rules, TrackedIssue, judge, judge_gone, order, standing

AS_OF = 100
NOTHING = ()


def issue(**fields: Any) -> TrackedIssue:
    given = {"id": "12", "identifier": "acme/app#12", "state": "todo", "phase": "active", "title": "Start faster"}
    return TrackedIssue(**{**given, **fields})


def row(state: State = "queued", **fields: Any) -> IssueRow:
    given: dict[str, Any] = {"title": "Start faster", "approved_sequence": 50, "sequence": 60}
    return IssueRow(stream="acme/app#12", state=state, **{**given, **fields})


def before(seen: TrackedIssue | None = None, **fields: Any) -> TrackedRow:
    """What was kept when ``seen`` was listed."""
    entry = judge(seen or issue(), None, None, Rules(), AS_OF).entry
    assert entry is not None
    updated, known = entry.pop("version"), {"tracker": "files", "approved": 50}
    return TrackedRow(updated=updated, **{**entry, **known, **fields})


def types(judged: Judged) -> tuple[str, ...]:
    return tuple(type_ for type_, _ in judged.events)


CLOSED = issue(state="done", phase="done")
DROPPED = issue(state="cancelled", phase="cancelled")
LATER = issue(state="backlog", phase="inactive")
HELD = issue(hold="eve is not trusted")
LABEL = Rules(required_labels=("Agent",))


@pytest.mark.parametrize(
    ("seen", "stands", "known", "events"),
    [
        # new
        pytest.param(issue(), None, None, ("issue_approved",), id="new and active: queued"),
        pytest.param(HELD, None, None, ("issue_needs_human",), id="new, of a stranger: held"),
        pytest.param(LATER, None, None, NOTHING, id="new and not to be done now"),
        pytest.param(CLOSED, None, None, NOTHING, id="new and closed"),
        # a webhook, or somebody else, was first
        pytest.param(issue(), row(), None, NOTHING, id="queued by a webhook: nothing left to do"),
        pytest.param(issue(), row("in_progress"), None, NOTHING, id="worked on already"),
        pytest.param(issue(), row("done"), None, NOTHING, id="ended in Rig before the tracker was heard"),
        pytest.param(CLOSED, row("done"), before(), NOTHING, id="closed by a webhook"),
        # it ends
        pytest.param(CLOSED, row(), None, ("issue_done",), id="closed before it was heard"),
        pytest.param(CLOSED, row("in_progress"), before(), ("issue_done",), id="closed while it is worked on"),
        pytest.param(DROPPED, row("in_review"), before(), ("issue_cancelled",), id="given up while in review"),
        pytest.param(CLOSED, row(approved_sequence=70), before(CLOSED), NOTHING, id="an operator queued a closed one"),
        # it is not to be done now
        pytest.param(LATER, row(), before(), ("issue_cancelled",), id="moved to the backlog while it waits"),
        pytest.param(LATER, row("retry_wait"), before(), ("issue_cancelled",), id="the same before a retry"),
        pytest.param(LATER, row("in_progress"), before(), NOTHING, id="the same while it is worked on"),
        pytest.param(LATER, row(), None, NOTHING, id="an operator queued one of the backlog"),
        pytest.param(LATER, row(approved_sequence=70), before(), NOTHING, id="queued by a person since"),
        # it is reopened
        pytest.param(issue(), row("done"), before(CLOSED), ("issue_approved",), id="reopened after it was done"),
        pytest.param(issue(), row("cancelled"), before(LATER), ("issue_approved",), id="back from the backlog"),
        pytest.param(issue(), row("failed"), before(), NOTHING, id="failed in Rig, still open there"),
        pytest.param(issue(), row("cancelled"), before(), NOTHING, id="aborted by an operator, still open there"),
        pytest.param(
            issue(), row("done", approved_sequence=70), before(CLOSED), NOTHING, id="a webhook reopened it, and it ran"
        ),
        pytest.param(issue(), row("done"), before(phase="gone"), NOTHING, id="found again after it was done"),
        pytest.param(issue(), row("cancelled"), before(phase="gone"), ("issue_approved",), id="found again"),
        pytest.param(HELD, row("done"), before(CLOSED), NOTHING, id="reopened by a stranger"),
        # it is edited
        pytest.param(issue(title="Faster"), row(), before(), ("issue_edited",), id="edited while it waits"),
        pytest.param(issue(title="Faster"), row("in_progress"), before(), ("issue_edited",), id="edited while it is worked on"),
        pytest.param(issue(title="Faster"), row("done"), before(), NOTHING, id="edited after it was done"),
        pytest.param(issue(title="Faster"), row(title="Faster"), before(), NOTHING, id="a webhook told of the edit"),
        pytest.param(issue(), row(title="By hand"), before(), NOTHING, id="changed in Rig alone"),
        pytest.param(issue(version="2"), row(), before(issue(version="1")), NOTHING, id="a comment"),
        pytest.param(
            issue(title="Evil", hold="eve"), row(), before(), ("issue_needs_human",), id="edited by a stranger after approval"
        ),
        pytest.param(
            issue(title="Evil", hold="eve"), row("in_progress"), before(), NOTHING, id="the same while it is worked on"
        ),
        pytest.param(
            issue(title="New", hold="eve"),
            row(orphan_status="needs_human"),
            before(HELD),
            ("issue_edited",),
            id="edited while it is held",
        ),
        pytest.param(
            issue(), row(orphan_status="needs_human"), before(HELD), ("issue_approved",), id="its author is trusted by now"
        ),
        pytest.param(issue(), row(orphan_status="needs_human"), before(), NOTHING, id="an orphan waits for a person"),
    ],
)
def test_what_an_issue_of_a_tracker_causes(
    seen: TrackedIssue, stands: IssueRow | None, known: TrackedRow | None, events: tuple[str, ...]
) -> None:
    judged = judge(seen, stands, known, Rules(), AS_OF)
    assert (types(judged), judged.stale) == (events, False)


@pytest.mark.parametrize(
    ("seen", "stands", "known"),
    [
        pytest.param(
            CLOSED, row(approved_sequence=AS_OF + 1), before(), id="a webhook reopened it while the page was on its way"
        ),
        pytest.param(
            LATER, row(approved_sequence=AS_OF + 1, sequence=AS_OF + 1), before(CLOSED), id="the same of an inactive one"
        ),
        pytest.param(issue(), row("cancelled", sequence=AS_OF + 1), before(CLOSED), id="a webhook closed it again"),
    ],
)
def test_a_page_that_was_overtaken_decides_nothing(seen: TrackedIssue, stands: IssueRow, known: TrackedRow) -> None:
    assert judge(seen, stands, known, Rules(), AS_OF) == Judged(stale=True)


def test_what_is_known_is_not_told_again() -> None:
    assert judge(issue(version="2"), row(), before(issue(version="1")), Rules(), AS_OF).entry is None
    assert judge(issue(title="Faster"), row(), before(), Rules(), AS_OF).entry is not None


def test_an_edit_holds_only_what_was_changed() -> None:
    seen = issue(title="Faster", priority=None, labels=("a",), depends_on=("acme/app#1",))
    known = before(issue(priority="high", labels=("a",)))
    assert judge(seen, row(priority=1, labels=("a",)), known, Rules(), AS_OF).events == (
        ("issue_edited", {"title": "Faster", "priority": "normal", "dependsOn": ["acme/app#1"]}),
    )


@pytest.mark.parametrize(
    ("stands", "known", "events"),
    [
        (row(), before(), ("issue_cancelled",)),
        (row("in_progress"), before(), ()),
        (row(approved_sequence=70), before(), ()),
        (row("done"), before(), ()),
        (None, before(), ()),
        (row(), before(CLOSED), ()),
    ],
)
def test_what_is_gone_leaves_the_queue_and_stops_nobody(
    stands: IssueRow | None, known: TrackedRow, events: tuple[str, ...]
) -> None:
    judged = judge_gone(stands, known, AS_OF)
    assert types(judged) == events
    assert judged.entry is not None
    assert judged.entry["phase"] == "gone"
    assert judge_gone(stands, msgspec.structs.replace(known, phase="gone"), AS_OF).entry is None


@pytest.mark.parametrize(
    ("seen", "rules", "phase", "why"),
    [
        (issue(), Rules(), "active", ""),
        (issue(labels=("agent",)), LABEL, "active", ""),
        (issue(labels=("bug",)), LABEL, "inactive", "it lacks the label Agent"),
        (issue(why="a draft"), Rules(), "inactive", "a draft"),
        (issue(state="In Review"), Rules(active_states=("todo",)), "inactive", "its state is In Review"),
        (issue(state=" TODO ", phase="inactive"), Rules(active_states=("Todo",)), "active", ""),
        (issue(state="Shipped"), Rules(terminal_states=("shipped",)), "done", "it is closed as completed"),
        (issue(state="Won't do"), Rules(terminal_states=("Won't do",)), "cancelled", "it is closed as not to be done"),
        (issue(state="done", phase="done"), Rules(active_states=("done",)), "done", "it is closed as completed"),
    ],
)
def test_states_and_labels_say_what_is_work(seen: TrackedIssue, rules: Rules, phase: str, why: str) -> None:
    assert standing(seen, rules) == (phase, why)


def test_new_issues_are_queued_by_priority_then_age_then_name() -> None:
    listed = [
        issue(identifier="A-3"),
        issue(identifier="A-2", created="2026-01-02"),
        issue(identifier="A-1", created="2026-01-03", priority="critical"),
        issue(identifier="A-4", created="2026-01-01", priority="low"),
    ]
    assert [i.identifier for i in sorted(listed, key=order)] == ["A-1", "A-2", "A-3", "A-4"]
