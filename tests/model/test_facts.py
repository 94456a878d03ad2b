"""Which posted events are facts, and what is said of the others (R0-14 … R0-17, conventions §4)."""

from typing import Any

import pytest

from rig.errors import BadRequest, RigError, UnknownEventType, Unprocessable
from rig.model import facts

ISSUE = {"repo": "acme/app", "issueNumber": 42}


@pytest.mark.rule("R0-20")
@pytest.mark.parametrize("type_", ["ISSUE_APPROVED", "IssueApproved", "issue_approved", "ISSUEAPPROVED", " ISSUE_APPROVED "])
def test_types_are_accepted_in_every_spelling(type_: str) -> None:
    assert facts.parse({"type": type_, **ISSUE}).type.name == "issue_approved"


def test_field_names_are_accepted_in_any_letter_case_and_unknown_fields_are_kept() -> None:
    fact = facts.parse({"Type": "WORK_STARTED", "REPO": "acme/app", "IssueNumber": 42, "agentid": "a", "Mood": "good"})
    assert fact.body == {"repo": "acme/app", "issueNumber": 42, "agentId": "a", "Mood": "good"}


@pytest.mark.rule("R0-14", "R0-15")
@pytest.mark.parametrize(
    ("payload", "stream"),
    [
        ({"type": "ISSUE_APPROVED", **ISSUE}, "acme/app#42"),
        ({"type": "ISSUE_APPROVED", "identifier": "ENG-7"}, "ENG-7"),
        ({"type": "ISSUE_APPROVED", "identifier": "acme/app#7"}, "acme/app#7"),
        ({"type": "HEARTBEAT", "agentId": "dev-1"}, "dev-1"),
        ({"type": "HEARTBEAT", "agentId": "dev-1", **ISSUE}, "dev-1"),
        ({"type": "TOKEN_USAGE", "agentId": "dev-1", "model": "m"}, "dev-1"),
        ({"type": "TOKEN_USAGE", "agentId": "dev-1", "model": "m", **ISSUE}, "acme/app#42"),
        ({"type": "MEMORY_WRITE", "agentId": "dev-1", "repo": "", "issueNumber": 0}, "dev-1"),
        ({"type": "MILESTONE_COMPLETE", "repo": "acme/app", "milestone": "v1", "issueNumber": 42}, "acme/app@milestone:v1"),
    ],
)
def test_the_stream_follows_from_the_event(payload: dict[str, Any], stream: str) -> None:
    assert facts.parse(payload).stream == stream


BIG = [f"acme/app#{n}" for n in range(1, 1000)]


@pytest.mark.rule("R0-16", "R0-17", "I35")
@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ([], BadRequest),
        ({}, BadRequest),
        ({"type": ""}, BadRequest),
        ({"type": 7}, BadRequest),
        ({"type": "INVALID", **ISSUE}, UnknownEventType),
        ({"type": "ISSUE_FORCED_DONE", **ISSUE}, UnknownEventType),
        ({"type": "ISSUE_APPROVED"}, BadRequest),
        ({"type": "ISSUE_APPROVED", "repo": "acme/app"}, BadRequest),
        ({"type": "ISSUE_APPROVED", "repo": "acme/app", "issueNumber": 0}, BadRequest),
        ({"type": "ISSUE_APPROVED", "repo": "acme/app", "issueNumber": -1}, BadRequest),
        ({"type": "ISSUE_APPROVED", "repo": "acme/app", "issueNumber": "42"}, BadRequest),
        ({"type": "ISSUE_APPROVED", "repo": "acme/app", "issueNumber": True}, BadRequest),
        ({"type": "ISSUE_APPROVED", "repo": "acme/app", "issueNumber": 2**53}, BadRequest),
        ({"type": "ISSUE_APPROVED", "repo": "../..", "issueNumber": 1}, BadRequest),
        ({"type": "ISSUE_APPROVED", "repo": "a//b", "issueNumber": 1}, BadRequest),
        ({"type": "ISSUE_APPROVED", "repo": "a/b#1", "issueNumber": 1}, BadRequest),
        ({"type": "ISSUE_APPROVED", "repo": "a/b\n", "issueNumber": 1}, BadRequest),
        ({"type": "ISSUE_APPROVED", "repo": "a/\u202eb", "issueNumber": 1}, BadRequest),
        ({"type": "ISSUE_APPROVED", "repo": "a/" + "b" * 300, "issueNumber": 1}, BadRequest),
        ({"type": "ISSUE_APPROVED", "identifier": "eng-1"}, BadRequest),
        ({"type": "ISSUE_APPROVED", **ISSUE, "title": 7}, BadRequest),
        ({"type": "ISSUE_APPROVED", **ISSUE, "Title": "a", "title": "b"}, BadRequest),
        ({"type": "ISSUE_APPROVED", **ISSUE, "dependsOn": [42]}, Unprocessable),
        ({"type": "ISSUE_APPROVED", **ISSUE, "dependsOn": BIG}, BadRequest),
        ({"type": "ISSUE_APPROVED", **ISSUE, "dependsOn": ["no issue"]}, BadRequest),
        ({"type": "ISSUE_APPROVED", **ISSUE, "parent": 42}, Unprocessable),
        ({"type": "WORK_STARTED", **ISSUE}, BadRequest),
        ({"type": "WORK_STARTED", **ISSUE, "agentId": ""}, BadRequest),
        ({"type": "HEARTBEAT", "agentId": "config"}, BadRequest),
        ({"type": "HEARTBEAT", "agentId": "acme/app#42"}, BadRequest),
        ({"type": "HEARTBEAT", "agentId": "ir-0123abcd"}, BadRequest),
        ({"type": "HEARTBEAT", "agentId": "a\nb"}, BadRequest),
        ({"type": "HEARTBEAT", "agentId": "a", "status": "lazy"}, BadRequest),
        ({"type": "TOKEN_USAGE", "agentId": "a"}, BadRequest),
        ({"type": "TOKEN_USAGE", "agentId": "a", "model": "m", "inputTokens": -1}, BadRequest),
        ({"type": "TOKEN_USAGE", "agentId": "a", "model": "m", "inputTokens": 1e308}, BadRequest),
        ({"type": "TOKEN_USAGE", "agentId": "a", "model": "m", "inputTokens": 10**13}, BadRequest),
        ({"type": "TOKEN_USAGE", "agentId": "a", "model": "m", "costUsd": -1}, BadRequest),
        ({"type": "TOKEN_USAGE", "agentId": "a", "model": "m", "costUsd": "NaN"}, BadRequest),
        ({"type": "ISSUE_DONE", **ISSUE, "leaseId": "l"}, BadRequest),
        ({"type": "ISSUE_DONE", **ISSUE, "leaseId": "l", "fence": "1"}, BadRequest),
    ],
)
def test_what_is_no_fact_is_refused_with_a_reason(payload: Any, error: type[RigError]) -> None:
    with pytest.raises(error) as caught:
        facts.parse(payload)
    assert caught.value.message


def test_null_says_the_same_as_nothing() -> None:
    fact = facts.parse({"type": "ISSUE_APPROVED", **ISSUE, "milestone": None, "title": None})
    assert fact.body == ISSUE


def test_dependencies_become_streams_without_repeats() -> None:
    fact = facts.parse({"type": "ISSUE_APPROVED", **ISSUE, "dependsOn": [1, "acme/app#1", "ENG-3", "b/c#2"]})
    assert fact.body["dependsOn"] == ["acme/app#1", "ENG-3", "b/c#2"]


def test_a_fence_comes_along() -> None:
    assert facts.parse({"type": "ISSUE_DONE", **ISSUE, "leaseId": "l-1", "fence": 3}).lease == ("l-1", 3)
