"""Cycles of dependencies."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.model.cycles import Cycles, waits_for
from rig.model.rows import IssueRow


@pytest.mark.parametrize(
    ("graph", "of", "cycle"),
    [
        ({}, "a", ()),
        ({"a": "b"}, "a", ()),
        ({"a": "b", "b": "a"}, "a", ("a", "b", "a")),
        ({"a": "b", "b": "a"}, "b", ("b", "a", "b")),
        ({"a": "b", "b": "c", "c": "b"}, "a", ()),
        ({"a": "bc", "b": "d", "c": "a", "d": "a"}, "a", ("a", "c", "a")),
        ({"a": "b", "b": "c", "c": "d", "d": "b"}, "c", ("c", "d", "b", "c")),
    ],
)
@pytest.mark.rule("R0-30")
def test_the_shortest_way_back_is_named(graph: dict[str, str], of: str, cycle: tuple[str, ...]) -> None:
    assert Cycles(lambda stream: tuple(graph.get(stream, ""))).of(of) == cycle


@given(st.dictionaries(st.integers(0, 8), st.lists(st.integers(0, 8), max_size=3)))
def test_an_issue_is_in_a_cycle_exactly_when_it_can_be_reached_from_itself(graph: dict[int, list[int]]) -> None:
    edges = {str(a): [str(b) for b in bs if b != a] for a, bs in graph.items()}
    cycles = Cycles(lambda stream: edges.get(stream, []))
    for start in map(str, range(9)):
        found = cycles.of(start)
        assert bool(found) == (start in reached(edges, start))
        if found:
            assert found[0] == found[-1] == start
            assert all(b in edges[a] for a, b in itertools.pairwise(found))


def reached(edges: dict[str, list[str]], start: str) -> set[str]:
    seen: set[str] = set()
    ahead = list(edges.get(start, []))
    while ahead:
        here = ahead.pop()
        if here not in seen:
            seen.add(here)
            ahead += edges.get(here, [])
    return seen


def test_no_more_issues_are_looked_at_than_allowed_and_each_once() -> None:
    looked: list[str] = []

    def waits(stream: str) -> Sequence[str]:
        looked.append(stream)
        return (str(int(stream) + 1),)

    cycles = Cycles(waits, limit=500)
    assert [cycles.of(str(n)) for n in range(400)] == [()] * 400
    assert len(looked) == len(set(looked)) == 500


@pytest.mark.parametrize(
    ("state", "waits"), [("queued", ("a/b#2",)), ("retry_wait", ("a/b#2",)), ("in_progress", ()), ("failed", ())]
)
def test_only_what_waits_for_an_agent_can_be_stuck_with_others(state: str, waits: tuple[str, ...]) -> None:
    assert waits_for(IssueRow(stream="a/b#1", state=state, depends_on=("a/b#2",))) == waits  # type: ignore[arg-type]
    assert waits_for(None) == ()
