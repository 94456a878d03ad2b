"""The table of states, and the life of an issue as its events tell it."""

from typing import Any

import pytest

from rig.model import facts
from rig.model.events import TYPES, Event, encode
from rig.model.folds.issue import step
from rig.model.rows import IssueRow
from rig.model.states import CONDUCTOR_STATES, OPEN, RULES, TERMINAL, VOCABULARY, transitions, verdict


def events(*types: Any) -> tuple[IssueRow | None, list[str | None]]:
    """The row after posted events of one issue, and each one's reason for not applying."""
    row: IssueRow | None = None
    reasons: list[str | None] = []
    for version, given in enumerate(types, 1):
        payload = {"type": given} if isinstance(given, str) else given
        fact = facts.parse({"agentId": "a", **payload, "repo": "acme/app", "issueNumber": 1})
        event = Event(
            version, "t", version, fact.stream, version, fact.type.name, f"id-{version}", version * 1000, "", "", "", b"{}",
            encode(fact.body), b"", b"",
        )  # fmt: skip
        row, reason = step(row, event, fact.body)
        reasons.append(reason)
    return row, reasons


@pytest.mark.parametrize(
    ("story", "state"),
    [
        (["ISSUE_APPROVED"], "queued"),
        (["ISSUE_APPROVED", "ISSUE_ASSIGNED"], "assigned"),
        (["ISSUE_APPROVED", "ISSUE_ASSIGNED", "WORK_STARTED"], "in_progress"),
        (["ISSUE_APPROVED", "ISSUE_ASSIGNED", "WORK_STARTED", "BRANCH_CREATED"], "in_progress"),
        (["ISSUE_APPROVED", "ISSUE_ASSIGNED", "WORK_STARTED", "PR_CREATED"], "in_review"),
        (["ISSUE_APPROVED", "ISSUE_ASSIGNED", "WORK_STARTED", "PR_CREATED", "CI_FAILED", "CHANGES_REQUESTED"], "in_progress"),
        (["ISSUE_APPROVED", "WORK_STARTED", "PR_CREATED", "CI_PASSED", "REVIEW_PASSED", "MERGED"], "deploying"),
        (["ISSUE_APPROVED", "WORK_STARTED", "PR_CREATED", "MERGED", "DEPLOYED_STAGING", "E2E_PASSED", "VERIFIED"], "deploying"),
        (["ISSUE_APPROVED", "WORK_STARTED", "PR_CREATED", "MERGED", "ISSUE_DONE"], "done"),
        (["ISSUE_APPROVED", "WORK_STARTED", "AGENT_STUCK"], "queued"),
        (["ISSUE_APPROVED", "WORK_STARTED", "ESCALATED"], "failed"),
        (["ISSUE_APPROVED", "ISSUE_CANCELLED"], "cancelled"),
        (["ISSUE_APPROVED", "ISSUE_DONE", "ISSUE_APPROVED"], "queued"),
        (["ISSUE_NEEDS_HUMAN"], "queued"),
    ],
)
def test_a_story_ends_in_its_state(story: list[str], state: str) -> None:
    row, reasons = events(*story)
    assert row is not None
    assert (row.state, set(reasons)) == (state, {None})


@pytest.mark.parametrize("terminal", ["ISSUE_DONE", "ISSUE_CANCELLED", "ESCALATED"])
@pytest.mark.parametrize(
    "late", ["WORK_STARTED", "PR_CREATED", "ISSUE_DONE", "ISSUE_CANCELLED", "AGENT_STUCK", "MERGED", "CI_PASSED"]
)
def test_terminal_states_absorb_what_comes_late(terminal: str, late: str) -> None:
    """I13"""
    before, _ = events("ISSUE_APPROVED", terminal)
    after, reasons = events("ISSUE_APPROVED", terminal, late)
    assert before is not None
    assert after is not None
    assert after.state == before.state
    assert "does not apply" in (reasons[-1] or "")


def test_every_return_to_the_queue_is_another_attempt_from_the_back() -> None:
    """R0-32"""
    row, _ = events("ISSUE_APPROVED", "ISSUE_ASSIGNED", "ISSUE_UNASSIGNED")
    assert row is not None
    assert (row.attempt, row.agent, row.queued_sequence) == (2, None, 3)


def test_another_agents_start_does_not_take_the_issue() -> None:
    row, reasons = events("ISSUE_APPROVED", "ISSUE_ASSIGNED", {"type": "WORK_STARTED", "agentId": "b"})
    assert row is not None
    assert (row.state, row.agent, reasons[-1]) == ("assigned", "a", "the issue is held by a")


@pytest.mark.parametrize("first", ["ISSUE_DONE", "ISSUE_CANCELLED", "ISSUE_UNASSIGNED", "AGENT_STUCK", "CHANGES_REQUESTED"])
def test_an_end_of_something_unknown_makes_no_issue(first: str) -> None:
    row, reasons = events(first)
    assert row is None
    assert reasons == ["the issue is not known"]


def test_the_table_is_closed() -> None:
    """R0-26: every rule is about an event type and known states, every state is in every vocabulary."""
    assert set(RULES) <= set(TYPES)
    assert {w.conductor for w in VOCABULARY.values()} == set(CONDUCTOR_STATES)
    for rule in RULES.values():
        assert {rule.to} | rule.from_ | rule.keep <= set(VOCABULARY)
    assert OPEN | TERMINAL == set(VOCABULARY)


def test_transitions_agree_with_the_verdicts() -> None:
    table = transitions()
    for state in VOCABULARY:
        for type_ in RULES:
            to, reason = verdict(type_, state)
            assert reason is not None or to == state or to in table[state]
