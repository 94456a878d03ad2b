"""The reducer as tables: what a change makes of what is known."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from rigtui.state import KEPT, VIEWS, Change, Changed, Connection, Entry, Listed, Missed, Spent, State, reduce, summoned
from tests.rigtui.fakes import agent, changed, issue

ONE, TWO = "acme/shop#1", "acme/shop#2"


def states(state: State) -> dict[str, str | None]:
    return {key: None if entry.row is None else entry.row.state for key, entry in state.issues.items()}


def listed(*rows: object, as_of: int, whole: bool = True) -> Listed:
    return Listed("issues", {row.stream_id: row for row in rows}, as_of, whole)  # type: ignore[attr-defined]  # issues


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([listed(issue(1), as_of=5)], {ONE: "queued"}),
        ([listed(issue(1), as_of=5), changed(issue(1, "done"), 6)], {ONE: "done"}),
        # what the list says already is not undone by an older frame that comes after it
        ([listed(issue(1, "done"), as_of=5), changed(issue(1), 4)], {ONE: "done"}),
        # a list that was read before a frame came does not undo the frame
        ([changed(issue(1, "done"), 6), listed(issue(1), as_of=5)], {ONE: "done"}),
        # what a list no longer has is gone, what came after it stays
        ([listed(issue(1), issue(2), as_of=5), listed(issue(2), as_of=7)], {TWO: "queued"}),
        ([changed(issue(1), 9), listed(issue(2), as_of=7)], {TWO: "queued", ONE: "queued"}),
        # a row that is gone stays gone though an older list has it
        ([listed(issue(1), as_of=5), Changed("issues", ONE, None, 8), listed(issue(1), as_of=7)], {ONE: None}),
        ([Changed("issues", ONE, None, 8), listed(issue(1), as_of=9)], {ONE: "queued"}),
        # new rows join a list that is whole
        ([listed(issue(1), as_of=5), changed(issue(2), 6)], {ONE: "queued", TWO: "queued"}),
        # and wait for the list where it is not
        ([listed(issue(1), as_of=5, whole=False), changed(issue(2), 6)], {ONE: "queued"}),
        # an ended issue outside of the window is not forgotten by reading the window again
        (
            [listed(issue(1, "done"), as_of=5, whole=False), listed(issue(2), as_of=6, whole=False)],
            {TWO: "queued", ONE: "done"},
        ),
    ],
)
def test_a_row_is_never_replaced_by_an_older_one(changes: Iterable[Change], expected: dict[str, str | None]) -> None:
    assert states(reduce(State(), changes)) == expected


@pytest.mark.parametrize(
    ("changes", "stale"),
    [
        ([Changed("queue", ONE, object(), 3)], {"queue"}),
        ([Changed("queue", ONE, object(), 3), Listed("queue", {ONE: object()}, 4)], set()),
        ([Changed("queue", ONE, None, 3)], set()),
        ([listed(as_of=1, whole=False), changed(issue(1), 2)], {"issues"}),
        ([Missed(VIEWS, 9)], set(VIEWS)),
        ([Missed(("agents",), 9)], {"agents"}),
        # a list read before the change that made it stale does not clear it
        ([Changed("queue", ONE, object(), 3), Changed("queue", TWO, object(), 5), Listed("queue", {}, 4)], {"queue"}),
        ([Missed(("agents",), 9), Listed("agents", {}, 8)], {"agents"}),
    ],
)
def test_what_only_the_list_can_say_makes_the_list_stale(changes: Iterable[Change], stale: set[str]) -> None:
    assert set(reduce(State(), changes).stale) == stale


def test_the_waiting_order_is_the_lists_and_what_was_handed_out_leaves_it() -> None:
    state = reduce(State(), [Listed("queue", {TWO: object(), ONE: object()}, 4)])
    assert state.queue == (TWO, ONE)
    assert reduce(state, [Changed("queue", TWO, None, 5)]).queue == (ONE,)


@pytest.mark.parametrize(
    ("changes", "phase"),
    [
        ([], "connecting"),
        ([Connection("live")], "live"),
        ([Connection("live", lag=0.01)], "live"),
        ([Connection("live", lag=2.5)], "behind"),
        ([Connection("live"), Missed(("issues",), 9)], "behind"),
        ([Connection("live"), Missed(("issues",), 9), listed(as_of=9)], "live"),
        # the order of the queue is read again all the time: that is not being behind
        ([Connection("live"), Changed("queue", ONE, object(), 3)], "live"),
        ([Connection("live"), Missed(VIEWS, 9), Connection("disconnected", "gone", again=1.0)], "disconnected"),
    ],
)
def test_only_what_is_the_present_is_called_live(changes: Iterable[Change], phase: str) -> None:
    assert reduce(State(), changes).phase == phase


def test_changing_rows_leaves_the_state_before_as_it_was() -> None:
    before = reduce(State(), [listed(issue(1), as_of=5), Spent(1.0)])
    copy = replace(before, issues=dict(before.issues))
    after = reduce(before, [changed(issue(1, "done"), 6), Listed("agents", {"a": agent("a")}, 6), Spent(2.0)])
    assert before == copy
    assert (after.spent, after.sequence, after.agents) == (2.0, 6, {"a": Entry(agent("a"), 6)})


def test_no_more_ended_issues_are_held_than_are_kept_and_the_oldest_go() -> None:
    rows = [changed(issue(n, "done"), n) for n in range(1, KEPT + 51)] + [changed(issue(1000), 1000)]
    state = reduce(State(), rows)
    assert len(state.issues) == KEPT + 1
    assert "acme/shop#50" not in state.issues
    assert {"acme/shop#51", "acme/shop#1000"} <= set(state.issues)


def asks(key: str, sequence: int, row: object | None = None) -> Changed:
    return Changed("attention", key, row or object(), sequence)


@pytest.mark.parametrize(
    ("before", "then", "rings"),
    [
        ([], [Listed("attention", {"q1": object()}, 1)], False),  # what waited already when it was opened
        ([], [asks("q1", 1)], False),
        ([Listed("attention", {}, 1)], [asks("q1", 2)], True),
        ([Listed("attention", {}, 1)], [Connection("disconnected"), Listed("attention", {"q1": object()}, 9)], True),
        ([Listed("attention", {"q1": object()}, 1)], [asks("q1", 2)], False),  # the same question, more of it
        ([Listed("attention", {"q1": object()}, 1)], [Changed("attention", "q1", None, 2)], False),
        ([Listed("attention", {"q1": object()}, 1)], [Changed("attention", "q1", None, 2), asks("q2", 3)], True),
        ([Listed("attention", {}, 1)], [changed(issue(1), 2)], False),
        ([Listed("issues", {}, 1)], [Listed("attention", {"q1": object()}, 2)], False),
    ],
)
def test_the_terminal_rings_when_somebody_begins_to_wait(before: list[Change], then: list[Change], rings: bool) -> None:
    state = reduce(State(), before)
    assert summoned(state, reduce(state, then)) is rings
