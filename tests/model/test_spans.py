"""Traces are read from an issue's events: as a table, and as properties of random histories."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.clock import ManualClock
from rig.ids import SeededIds
from rig.model import facts
from rig.model.events import NewEvent, encode
from rig.model.rows import IssueRow, Tokens
from rig.model.spans import Span, first_of, spans, trace_id
from rig.model.states import WORKING
from rig.model.steps import steps
from rig.model.tables import EXECUTIONS, ISSUES, UNAPPLIED, USAGE, Query
from rig.store.engine import Engine
from rig.store.memory import MemoryBackend
from rig.store.units import Committed, Unit

STREAM = "acme/app#1"
COST = {"cost": {"counted": 7, "rule": "recomputed"}}


class World:
    """An engine over a memory backend whose clock goes on by a second an event."""

    def __init__(self) -> None:
        self.backend = MemoryBackend()
        self.clock = ManualClock()
        self.engine = Engine(self.backend, self.clock, SeededIds(3))
        self.events: list[Any] = []

    def post(self, type_: str, seconds: float = 1, **fields: Any) -> None:
        """A fact of issue 1."""
        fact = facts.parse({"type": type_, "repo": "acme/app", "issueNumber": 1, **fields})
        self.add(fact.type.name, fact.body, seconds, COST if type_ == "TOKEN_USAGE" else {})

    def add(self, type_: str, body: dict[str, Any], seconds: float = 1, meta: dict[str, Any] | None = None) -> None:
        self.clock.advance(seconds)
        event = NewEvent(STREAM, type_, encode(body), encode(meta or {}))
        result = self.engine.run([Unit("default", (event,))])[0][0]
        assert isinstance(result, Committed), result
        self.events += result.events

    @property
    def unapplied(self) -> dict[int, Any]:
        return {row.sequence: row for _, row in self.backend.select(Query(UNAPPLIED, "default", limit=10_000))}

    @property
    def spans(self) -> list[Span]:
        return spans("default", self.events, self.unapplied)

    @property
    def row(self) -> IssueRow | None:
        return self.backend.row(ISSUES, "default", STREAM)

    def tree(self) -> list[str]:
        """Each span as ``kind name status seconds``, indented below its parent; seconds are ``-`` while it lasts."""
        depth: dict[str | None, int] = {None: -1}
        lines = []
        for span in self.spans:
            depth[span.id] = depth[span.parent] + 1
            seconds = "-" if span.end is None else f"{(span.end - span.start) / 1e6:g}"
            lines.append((span, f"{'  ' * depth[span.id]}{span.kind} {span.name} {span.status} {seconds}"))
        below: dict[str | None, list[tuple[Span, str]]] = {}
        for span, line in lines:
            below.setdefault(span.parent, []).append((span, line))

        def walk(parent: str | None) -> list[str]:
            return [text for span, line in below.get(parent, []) for text in (line, *walk(span.id))]

        return walk(None)


def test_a_whole_journey_is_one_trace() -> None:
    world = World()
    world.post("ISSUE_APPROVED", title="One")
    world.post("ISSUE_ASSIGNED", 2, agentId="a")
    world.post("WORK_STARTED", 3, agentId="a")
    world.post("CLI_STARTED", 1, agentId="a", command="pytest")
    world.post("TOKEN_USAGE", 1, agentId="a", model="m", inputTokens=5)
    world.post("CLI_COMPLETED", 1, agentId="a", exitCode=1)
    world.add("execution_progressed", {"agentId": "a", "message": "turn 1 of 2"})
    world.post("CLI_COMPLETED", 1, agentId="a", exitCode=0, durationMs=500)
    world.post("PR_CREATED", 4, prNumber=9)
    world.post("CI_FAILED", 1)
    world.post("CHANGES_REQUESTED", 1)
    world.post("WORK_STARTED", 1, agentId="a")
    world.post("PR_CREATED", 1, prNumber=9)
    world.post("CI_PASSED", 1)
    world.post("MERGED", 1)
    world.post("DEPLOYED_STAGING", 1)
    world.post("SMOKE_PASSED", 1)
    world.post("DEPLOYED_PRODUCTION", 1)
    world.post("E2E_FAILED", 2, durationMs=1000)
    world.post("ISSUE_DONE", 1)
    assert world.tree() == [
        "issue acme/app#1 completed 26",
        "  queue queue completed 2",
        "  attempt attempt 1 completed 12",
        "    execution a works completed 9",
        "      cli pytest failed 2",
        "      step turn 1 of 2 completed 0",
        "      cli program completed 0.5",
        "  review review completed 2",
        "    check ci failed failed 0",
        "    check changes requested failed 0",
        "  attempt attempt 1 completed 2",
        "    execution a works completed 1",
        "  review review completed 2",
        "    check ci passed completed 0",
        "  deploy deploy completed 6",
        "    stage staging completed 2",
        "      check smoke passed completed 0",
        "    stage production completed 3",
        "      check e2e failed failed 1",
    ]


ENDS = [
    ("AGENT_STUCK", {"agentId": "a"}, "stuck", "queue"),
    ("ISSUE_UNASSIGNED", {"agentId": "a"}, "failed", "queue"),
    ("ISSUE_CANCELLED", {"reason": "no"}, "cancelled", None),
    ("ESCALATED", {}, "failed", None),
    ("ISSUE_DONE", {}, "completed", None),
    ("MERGED", {}, "completed", "deploy"),
]


@pytest.mark.parametrize(("type_", "fields", "status", "then"), ENDS)
def test_what_was_open_ends_as_the_event_says(type_: str, fields: dict[str, Any], status: str, then: str | None) -> None:
    world = World()
    world.post("WORK_STARTED", agentId="a")
    world.post("CLI_STARTED", agentId="a")
    world.post(type_, **fields)
    found = {str(span.kind): span for span in world.spans}
    assert {found[kind].status for kind in ("attempt", "execution", "cli")} == {status}
    assert found["issue"].status == ("running" if then else status)
    if then:
        assert (found[then].status, found[then].end) == ("running", None)


@pytest.mark.parametrize(
    ("type_", "state", "status"),
    [
        ("lease_expired", {}, "failed"),
        ("lease_released", {}, "failed"),
        ("work_completed", {"state": "done"}, "completed"),
        ("work_failed", {"reason": "tests fail", "terminal": True}, "failed"),
        ("issue_aborted", {"reason": "no"}, "cancelled"),
    ],
)
def test_a_lease_ends_with_the_work(type_: str, state: dict[str, Any], status: str) -> None:
    world = World()
    world.post("ISSUE_APPROVED")
    world.add("issue_assigned", {"agentId": "a", "leaseId": "l1", "fence": 1, "jobId": "ir-00000001"})
    world.add("work_started", {"agentId": "a", "executionId": "e1"})
    world.add(type_, {"agentId": "a", **state})
    found = {span.kind: span for span in world.spans if span.kind in ("lease", "execution")}
    assert {span.status for span in found.values()} == {status}
    assert all(span.end == world.events[-1].at for span in found.values())


def test_a_failed_attempt_waits_for_the_next_one() -> None:
    world = World()
    world.post("WORK_STARTED", agentId="a")
    world.add("work_failed", {"agentId": "a", "reason": "x", "retryAt": 1})
    world.post("WORK_STARTED", 5, agentId="b")
    assert world.tree() == [
        "issue acme/app#1 running -",
        "  attempt attempt 1 failed 1",
        "    execution a works failed 1",
        "  queue retry wait completed 5",
        "  attempt attempt 2 running -",
        "    execution b works running -",
    ]


def test_an_issue_that_is_approved_again_goes_on_in_the_same_trace() -> None:
    world = World()
    world.post("ISSUE_APPROVED")
    world.post("ISSUE_CANCELLED", reason="no")
    before = world.spans
    world.post("ISSUE_APPROVED")
    after = world.spans
    assert (before[0].status, after[0].status, after[0].end) == ("cancelled", "running", None)
    assert [span.id for span in before] == [span.id for span in after[: len(before)]]


def test_a_question_is_open_until_it_is_answered() -> None:
    world = World()
    world.post("WORK_STARTED", agentId="a")
    world.add("question_asked", {"questionId": "q1", "question": "Which one?", "agentId": "a"})
    assert world.tree()[-1] == "      question Which one? running -"
    world.add("question_answered", {"questionId": "q1", "answer": "this one"}, 60)
    assert world.tree()[-1] == "      question Which one? completed 60"


def test_usage_falls_into_the_deepest_span_and_every_parent_sums() -> None:
    world = World()
    world.post("ISSUE_APPROVED")
    world.post("WORK_STARTED", agentId="a", executionId="e1")
    world.post("CLI_STARTED", agentId="a")
    world.post("TOKEN_USAGE", agentId="a", model="m", inputTokens=1)
    world.post("CLI_COMPLETED", agentId="a")
    world.post("TOKEN_USAGE", agentId="a", model="m", inputTokens=10)
    world.post("PR_CREATED", prNumber=3)
    world.post("TOKEN_USAGE", agentId="reviewer", model="m", inputTokens=100)
    world.post("TOKEN_USAGE", agentId="a", model="m", inputTokens=1000, executionId="e1")  # late
    world.post("ISSUE_DONE")
    world.post("TOKEN_USAGE", agentId="a", model="m", inputTokens=10_000)  # later than everything
    found = {span.kind: span.tokens.input for span in world.spans}
    assert found == {"issue": 11_111, "queue": 0, "attempt": 1011, "execution": 1011, "cli": 1, "review": 100}
    row = world.row
    assert row is not None
    assert (world.spans[0].tokens, world.spans[0].cost) == (row.tokens, row.cost)


def test_ids_have_the_size_that_w3c_wants_and_lead_back_to_the_first_event() -> None:
    trace = trace_id("default", STREAM, 364_467)
    assert (len(trace), first_of(trace)) == (32, 364_467)
    assert trace != trace_id("acme", STREAM, 364_467)
    world = World()
    world.post("WORK_STARTED", agentId="a")
    ids = [span.id for span in world.spans]
    assert all(len(i) == 16 and int(i, 16) for i in ids)
    assert len(set(ids)) == len(ids) == 3


POSTS = st.tuples(
    st.sampled_from(
        [
            "ISSUE_APPROVED",
            "ISSUE_ASSIGNED",
            "ISSUE_UNASSIGNED",
            "WORK_STARTED",
            "BRANCH_CREATED",
            "PR_CREATED",
            "REVIEW_ASSIGNED",
            "CI_PASSED",
            "CI_FAILED",
            "REVIEW_PASSED",
            "CHANGES_REQUESTED",
            "HUMAN_GATE_TRIGGERED",
            "MERGED",
            "DEPLOYED_STAGING",
            "DEPLOYED_PRODUCTION",
            "SMOKE_PASSED",
            "SMOKE_FAILED",
            "E2E_PASSED",
            "E2E_FAILED",
            "VERIFIED",
            "ISSUE_DONE",
            "ISSUE_CANCELLED",
            "AGENT_STUCK",
            "ESCALATED",
            "CLI_STARTED",
            "CLI_COMPLETED",
            "TOKEN_USAGE",
            "TOKEN_USAGE",
            "question_asked",
            "question_answered",
            "work_failed",
            "work_completed",
            "lease_expired",
            "execution_progressed",
        ]
    ),
    st.fixed_dictionaries(
        {"agentId": st.sampled_from(["a", "b"])},
        optional={
            "executionId": st.sampled_from(["e1", "e2"]),
            "durationMs": st.integers(-5, 10_000_000)
            | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3),
            "exitCode": st.integers(0, 2),
            "questionId": st.sampled_from(["q1", "q2"]),
            "lease": st.sampled_from(["l1", "l2"]),
        },
    ),
    st.integers(0, 3),
)


def test_what_names_an_execution_before_it_begins_is_no_step_of_it() -> None:
    world = World()
    for type_ in ("ISSUE_APPROVED", "CLI_STARTED", "WORK_STARTED", "CLI_COMPLETED"):
        world.post(type_, 1, agentId="a", executionId="e1")
    (row,) = [row for _, row in world.backend.select(Query(EXECUTIONS, "default", limit=10))]
    assert [event.type for event in steps("e1", world.events, world.unapplied)] == ["work_started", "cli_completed"]
    assert row.steps == 2


@settings(max_examples=150, deadline=None)
@given(st.lists(POSTS, max_size=40), st.randoms(use_true_random=False))
def test_any_history_is_a_tree_whose_sums_agree(history: list[tuple[str, dict[str, Any], int]], random: Any) -> None:
    world = World()
    for type_, given_fields, seconds in history:
        fields = dict(given_fields)
        if lease := fields.pop("lease", None):
            fields |= {"leaseId": lease, "fence": 1}
        if type_.isupper():
            world.post(type_, seconds, model="m", inputTokens=3, cacheReadTokens=2, **fields)
        else:
            world.add(type_, {"message": "m", "question": "q", "questionId": "q1", **fields}, seconds)
    shuffled = list(world.events)
    random.shuffle(shuffled)
    found = spans("default", shuffled, world.unapplied)
    assert found == world.spans, "the order in which events are given makes no difference"
    if not found:
        return
    root, by_id = found[0], {span.id: span for span in found}
    assert len(by_id) == len(found)
    assert [span for span in found if span.parent is None] == [root]
    for span in found:
        assert span.end is None or span.end >= span.start
        assert (span.status == "running") == (span.end is None)
        if span.parent is not None:
            parent = by_id[span.parent]
            assert span.start >= parent.start
            assert parent.end is None or (span.end is not None and span.end <= parent.end)
    executions = [row for _, row in world.backend.select(Query(EXECUTIONS, "default", limit=1000))]
    assert all(row.steps == len(steps(row.id, shuffled, world.unapplied)) for row in executions)
    current = world.row.execution if world.row is not None and world.row.state in WORKING else None
    assert {row.id for row in executions if row.status == "running"} <= {current}
    ledger = [row for _, row in world.backend.select(Query(USAGE, "default", limit=1000))]
    assert root.cost == sum(row.counted for row in ledger)
    assert root.tokens == sum((row.tokens for row in ledger), Tokens())
    row = world.row
    assert (root.end is not None) == (row is not None and row.state in ("done", "failed", "cancelled"))


def test_times_that_go_back_are_taken_as_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """R0-21: the sequence is the order, whatever the timestamps say."""
    from msgspec.structs import replace

    world = World()
    for type_ in ("ISSUE_APPROVED", "WORK_STARTED", "ISSUE_DONE"):
        world.post(type_, agentId="a")
    back = [replace(event, at=1000 - event.sequence) for event in world.events]
    assert {span.end for span in spans("default", back, {})} == {999}
