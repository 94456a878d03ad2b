"""The fleet in numbers: agents at work count, with and without heartbeats."""

import pytest

from rigtui.state import Listed, State, reduce
from rigtui.widgets.status import agents
from tests.rigtui.fakes import agent, issue


@pytest.mark.parametrize(
    ("work", "heard", "text"),
    [
        ({}, {}, "0 agents online"),
        ({}, {"a": False}, "0 agents online"),
        ({}, {"a": True}, "1 agent online"),
        ({}, {"a": True, "b": True, "c": False}, "2 agents online"),
        ({1: ("in_progress", "a")}, {}, "1 agent at work"),
        ({1: ("in_progress", "a"), 2: ("assigned", "b")}, {"a": False, "b": False}, "2 agents at work"),
        ({1: ("in_progress", "a"), 2: ("assigned", "b")}, {"a": True, "b": False}, "2 agents at work"),
        ({1: ("in_progress", "a"), 2: ("in_progress", "a")}, {"a": True}, "1 agent at work"),
        ({1: ("in_progress", "a")}, {"a": True, "b": True, "c": True}, "1 agent at work, 2 more online"),
        ({1: ("in_review", "a"), 2: ("done", "b"), 3: ("queued", None)}, {"a": True, "b": False}, "1 agent online"),
        ({1: ("in_progress", None)}, {}, "0 agents online"),
    ],
)
def test_an_agent_counts_that_holds_work_or_is_heard(
    work: dict[int, tuple[str, str | None]], heard: dict[str, bool], text: str
) -> None:
    issues = {f"acme/shop#{n}": issue(n, state, assigned_agent=name) for n, (state, name) in work.items()}
    known = {name: agent(name, online) for name, online in heard.items()}
    state = reduce(State(), [Listed("issues", issues, 1), Listed("agents", known, 1)])
    assert "".join(said for said, _ in agents(state)) == text
