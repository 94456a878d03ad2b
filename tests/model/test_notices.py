"""Which events people are told of."""

from dataclasses import replace
from typing import Any

import pytest

from rig.model.events import TYPES
from rig.model.notices import _TABLE, MAX_TEXT, Subject, notice

ISSUE = Subject("acme/app#1", "Fix it")


@pytest.mark.parametrize(
    ("type_", "body", "kind", "title", "text"),
    [
        ("question_asked", {"question": "Drop it?"}, "attention", "acme/app#1: an agent asks", "Fix it – Drop it?"),
        ("issue_needs_human", {"reason": "eve"}, "attention", "acme/app#1 needs a person", "Fix it – eve"),
        ("work_failed", {"terminal": True, "reason": "x"}, "failed", "acme/app#1 failed", "Fix it – x"),
        ("work_completed", {"state": "done"}, "done", "acme/app#1 is done", "Fix it"),
        ("issue_done", {}, "done", "acme/app#1 is done", "Fix it"),
        ("issue_done", {"name": "other/repo#9"}, "done", "acme/app#1 is done", "Fix it"),
        ("agent_stuck", {"reason": "silent"}, "stuck", "acme/app#1: its agent is stuck", "Fix it – silent"),
        ("agent_stuck", {"reason": ["no", "text"]}, "stuck", "acme/app#1: its agent is stuck", "Fix it"),
    ],
)
def test_an_event_is_told_in_words(type_: str, body: dict[str, Any], kind: str, title: str, text: str) -> None:
    found = notice(type_, body, replace(ISSUE, done=type_ == "work_completed"))
    assert found is not None
    assert (found.kind, found.title, found.text) == (kind, title, text)


def test_alarms_name_the_dependency_or_the_plugin() -> None:
    alarm = notice("dependency_alarmed", {"name": "github", "reason": "http 500"}, Subject("daemon"))
    plugin = notice("plugin_faulted", {"plugin": "acme", "error": "OSError", "quarantined": True}, Subject("faults"))
    assert alarm is not None
    assert plugin is not None
    assert (alarm.title, alarm.severity, alarm.text) == ("github stays broken", "critical", "http 500")
    assert plugin.title == "The plugin acme is quarantined"


@pytest.mark.parametrize(
    ("type_", "body"),
    [
        ("heartbeat", {}),
        ("work_started", {}),
        ("work_completed", {"state": "in_review"}),
        ("work_failed", {"retryAt": "later"}),
        ("plugin_faulted", {"plugin": "a"}),
    ],
)
def test_what_heals_by_itself_is_told_to_nobody(type_: str, body: dict[str, Any]) -> None:
    assert notice(type_, body, ISSUE) is None


def test_the_table_names_events_that_there_are_and_texts_are_bounded() -> None:
    assert set(_TABLE) <= set(TYPES)
    found = notice("issue_needs_human", {"reason": "x" * 100_000}, ISSUE)
    assert found is not None
    assert len(found.text) == MAX_TEXT
