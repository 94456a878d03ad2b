"""What keeps an issue where it is, decided from rows alone."""

from typing import Any

import pytest

from rig.model import why
from rig.model.rows import IssueRow, JobRow, QueueRow
from rig.model.why import Facts, Fleet, History

NOW = 1_750_000_000_000_000
HELD = {"orphan_status": "needs_human", "reason": "not trusted", "labels": ("bug",)}


def facts(row: dict[str, Any], **more: Any) -> Facts:
    issue = IssueRow(**{"stream": "a/b#1", "queued_sequence": 7, **row})
    queue = QueueRow(stream="a/b#1", rank=2, queued_sequence=7, held=issue.orphan_status) if issue.state == "queued" else None
    return Facts(row=issue, now=NOW, queue=queue, ready=1, **more)


@pytest.mark.parametrize(
    ("row", "more", "codes", "says"),
    [
        ({}, {}, ["next", "dispatch_off", "no_agents"], "dispatch.enabled is false"),
        ({}, {"fleet": Fleet(2, True, 4, 4)}, ["next", "slots_full"], "all 4 slots"),
        ({}, {"fleet": Fleet(0, True, 4, 3)}, ["next", "no_agents"], "next one"),
        ({}, {"fleet": Fleet(1, True, 4, 3), "ahead": 3}, ["behind"], "number 4 of 1"),
        (HELD, {"required_labels": ("bug", "agent")}, ["held"], "lacks the labels agent"),
        (HELD, {"required_labels": ("bug",)}, ["held"], "(not trusted): rig answer"),
        ({"not_before": NOW + 1, "reason": "no disk"}, {}, ["retry_wait"], "before 2025-06-15T15:06:40.000Z (no disk)"),
        ({"not_before": NOW}, {"fleet": Fleet(1, True, 1, 0)}, ["next"], "next one"),
        ({"state": "assigned", "agent": "a"}, {}, ["assigned", "no_lease"], "a has it and has not begun"),
        ({"state": "in_review"}, {}, ["in_review", "no_reviewer"], "nobody reviews it yet"),
        ({"state": "in_review", "reviewer": "r"}, {}, ["in_review", "reviewer"], "r reviews it"),
        (
            {"state": "in_review", "review": "passed", "ci": "passed"},
            {},
            ["in_review", "review", "ci", "mergeable"],
            "never merges",
        ),
        ({"state": "in_review", "review": "passed", "ci": "failed"}, {}, ["in_review", "review", "ci"], "the checks failed"),
        ({"state": "done"}, {"subs": ("a/b#2",)}, ["done"], "it is done"),
        ({"state": "deploying"}, {"subs": ("a/b#2",)}, ["deploying", "open_sub_issues"], "a/b#2"),
    ],
)
def test_the_reasons_follow_from_the_rows(row: dict[str, Any], more: dict[str, Any], codes: list[str], says: str) -> None:
    reasons = why.why(facts(row, **more))
    assert [reason.code for reason in reasons] == codes
    assert says in " / ".join(reason.text for reason in reasons)


def test_many_blockers_are_counted_and_not_all_named() -> None:
    blockers = tuple(why.Blocker(f"a/b#{n}", "queued") for n in range(2, 40))
    reasons = why.why(facts({}, blockers=blockers, history=History(declared=3)))
    named = [reason for reason in reasons if reason.code == "depends_on"]
    assert (len(named), named[-1].text, {reason.sequence for reason in named}) == (why.SHOWN + 1, "and for 18 more", {3})


def test_a_job_without_an_issue_says_nothing_while_it_runs_and_its_end_afterwards() -> None:
    assert why.job(JobRow(id="ir-1", state="in_progress"), ()) == []
    (ended,) = why.job(JobRow(id="ir-1", state="failed", reason="exit 3", sequence=9), ())
    assert (ended.code, ended.text, ended.sequence) == ("failed", "it failed: exit 3", 9)
