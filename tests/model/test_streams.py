"""The agents' streams of assignments: what is an entry, what delivers it, what acknowledges it (R0-54 … R0-57)."""

import random
from typing import Any

import pytest

from rig.model.decide import issue
from rig.model.folds.streams import BOUND
from rig.model.rows import StreamRow
from rig.model.tables import ENTRIES, ISSUES, LEASES, STREAMS
from rig.store.units import Claim, Committed
from rig.wire import views
from tests.model.test_folds import World

REPO = "acme/app"


class Fleet(World):
    """A world in which agents claim under their own names, as often as they like."""

    leases = 0

    def claimed(self, agent: str = "dev") -> Committed | None:
        self.leases += 1
        claim = Claim("default", agent, f"l-{self.leases}", f"ir-{self.leases:08x}", 60)
        result = self.engine.run([claim])[0][0]
        assert not isinstance(result, Exception), result
        return result

    def issue(self, agent: str = "dev") -> str | None:
        """The issue that a claim gets."""
        done = self.claimed(agent)
        return None if done is None else done.events[-1].stream

    def stream(self, agent: str = "dev") -> tuple[int, int | None, int | None]:
        """(xlen, lag, pending) as the API shows them; lag and pending None while the group does not exist."""
        shown = views.agent_stream(self.row(STREAMS, agent))
        group = shown.groups.get("agents")
        return (shown.xlen, None, None) if group is None else (shown.xlen, group.lag, group.pending)

    def pushed(self, *numbers: int, agent: str = "dev") -> "Fleet":
        for number in numbers:
            self.post("ISSUE_ASSIGNED", number, agentId=agent)
        return self


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


@pytest.mark.rule("R0-54", "R0-55", "B8")
def test_entries_wait_are_delivered_by_a_claim_and_acknowledged_by_the_start_of_work(fleet: Fleet) -> None:
    fleet.pushed(1, 2, 3)
    assert views.agent_stream(fleet.row(STREAMS, "dev")).groups == {}
    assert fleet.stream() == (3, None, None)
    assert (fleet.issue(), fleet.stream()) == (f"{REPO}#1", (3, 2, 1))
    fleet.post("WORK_STARTED", 1, agentId="dev")
    assert fleet.stream() == (3, 2, 0)
    assert (fleet.issue(), fleet.issue(), fleet.stream()) == (f"{REPO}#2", f"{REPO}#3", (3, 0, 2))
    assert fleet.claimed() is None


def test_a_claim_of_a_pushed_assignment_grants_a_lease_with_a_fence_and_opens_the_job(fleet: Fleet) -> None:
    fleet.pushed(1)
    done = fleet.claimed()
    assert done is not None
    assert [e.type for e in done.events] == ["job_created", "lease_granted"]
    lease, row = fleet.row(LEASES, "l-1"), fleet.row(ISSUES, f"{REPO}#1")
    assert (lease.state, lease.fence, lease.agent, lease.job) == ("live", 1, "dev", "ir-00000001")
    assert (row.state, row.agent, row.lease, row.fence, row.job) == ("assigned", "dev", "l-1", 1, "ir-00000001")


def test_what_was_assigned_to_an_agent_goes_before_the_queue_and_only_to_that_agent(fleet: Fleet) -> None:
    fleet.post("ISSUE_APPROVED", 1, priority="critical")
    fleet.pushed(2)
    assert [fleet.issue("other"), fleet.issue("other")] == [f"{REPO}#1", None]
    assert fleet.issue() == f"{REPO}#2"


def test_a_claim_from_the_queue_is_added_and_delivered_in_its_own_unit(fleet: Fleet) -> None:
    fleet.post("ISSUE_APPROVED", 1)
    assert (fleet.issue(), fleet.stream()) == (f"{REPO}#1", (1, 0, 1))


@pytest.mark.parametrize(
    "stale", ["ISSUE_UNASSIGNED", "ISSUE_DONE", "ISSUE_CANCELLED", "ESCALATED", "AGENT_STUCK", "PR_CREATED"]
)
def test_a_stale_entry_is_skipped_and_acknowledged_by_the_claim_that_finds_it(fleet: Fleet, stale: str) -> None:
    fleet.pushed(1, 2, 3)
    fleet.post(stale, 1, agentId="dev")
    fleet.post(stale, 2, agentId="dev")
    assert fleet.stream() == (3, None, None)
    assert (fleet.issue(), fleet.stream()) == (f"{REPO}#3", (3, 0, 1))
    assert [key for key, _ in fleet.backend.scan(ENTRIES, "default", "dev\n")] == ["dev\n0000000000000003"]


def test_stale_entries_before_a_claim_from_the_queue_are_skipped_too(fleet: Fleet) -> None:
    fleet.pushed(1, 2)
    fleet.post("ISSUE_DONE", 1)
    fleet.post("ISSUE_DONE", 2)
    fleet.post("ISSUE_APPROVED", 3)
    assert (fleet.issue(), fleet.stream()) == (f"{REPO}#3", (3, 0, 1))


def test_an_assignment_that_does_not_apply_is_an_entry_and_hands_nothing_out_twice(fleet: Fleet) -> None:
    fleet.pushed(1, 1, 1)
    assert fleet.stream() == (3, None, None)
    assert (fleet.issue(), fleet.stream()) == (f"{REPO}#1", (3, 2, 1))
    assert fleet.issue() is None
    fleet.pushed(1, agent="thief")
    assert fleet.issue("thief") is None


def test_work_that_starts_without_a_claim_has_read_its_entry(fleet: Fleet) -> None:
    fleet.pushed(1, 2)
    fleet.post("WORK_STARTED", 2, agentId="dev")
    assert fleet.stream() == (2, 1, 0)
    assert (fleet.issue(), fleet.stream()) == (f"{REPO}#1", (2, 0, 1))


@pytest.mark.parametrize(
    "end",
    [
        issue.Complete(agent="dev", lease="l-1", fence=1),
        issue.Fail(agent="dev", lease="l-1", fence=1, reason="no"),
        issue.Release(reason="no"),
        issue.Abort(reason="no"),
    ],
    ids=lambda c: type(c).__name__,
)
def test_the_end_of_a_lease_acknowledges_what_was_never_started(fleet: Fleet, end: Any) -> None:
    fleet.pushed(1)
    fleet.claimed()
    fleet.command(end)
    assert fleet.stream() == (1, 0, 0)


def test_an_assignment_given_again_is_a_new_entry(fleet: Fleet) -> None:
    fleet.pushed(1)
    fleet.claimed()
    fleet.post("ISSUE_UNASSIGNED", 1)
    assert (fleet.stream(), fleet.issue("other"), fleet.stream("other")) == ((1, 0, 0), f"{REPO}#1", (1, 0, 1))


@pytest.mark.rule("R0-54")
def test_an_assignment_that_was_withdrawn_and_given_again_to_the_same_agent_is_read_and_acknowledged_whole(
    fleet: Fleet,
) -> None:
    fleet.pushed(1, 2)
    fleet.post("ISSUE_UNASSIGNED", 1)
    fleet.pushed(1)
    assert (fleet.issue(), fleet.issue(), fleet.stream()) == (f"{REPO}#2", f"{REPO}#1", (3, 0, 2))
    fleet.command(issue.Complete(agent="dev", lease="l-2", fence=1))
    assert (fleet.stream(), fleet.issue()) == ((3, 0, 1), None)


@pytest.mark.rule("R0-56")
def test_the_lag_is_unknown_from_a_trim_of_unread_entries_until_delivery_has_caught_up(fleet: Fleet) -> None:
    fleet.post("ISSUE_APPROVED", 1)
    fleet.claimed()
    fleet.pushed(*range(2, BOUND + 3))
    assert fleet.stream() == (BOUND, None, 1)
    assert fleet.row(STREAMS, "dev").lost
    assert (fleet.issue(), fleet.stream()) == (f"{REPO}#3", (BOUND, None, 2))
    for number in range(4, BOUND + 3):
        fleet.post("ISSUE_DONE", number)
    fleet.post("ISSUE_APPROVED", 5000)
    assert (fleet.issue(), fleet.stream()) == (f"{REPO}#5000", (BOUND, 0, 3))


def test_a_trim_of_read_entries_leaves_the_lag_known(fleet: Fleet) -> None:
    for number in range(1, BOUND + 2):
        fleet.post("ISSUE_APPROVED", number)
        fleet.claimed()
        fleet.post("ISSUE_DONE", number)
    assert fleet.stream() == (BOUND, 0, 0)


def test_an_agents_name_that_begins_anothers_keeps_its_own_entries(fleet: Fleet) -> None:
    fleet.pushed(1, agent="dev-1")
    fleet.pushed(2, agent="dev")
    assert [fleet.issue("dev"), fleet.issue("dev"), fleet.issue("dev-1")] == [f"{REPO}#2", None, f"{REPO}#1"]


def test_the_counts_are_those_of_the_entries_whatever_happens(fleet: Fleet) -> None:
    draw = random.Random(7)
    kinds = ["ISSUE_ASSIGNED"] * 3 + ["WORK_STARTED", "ISSUE_UNASSIGNED", "ISSUE_DONE", "ISSUE_APPROVED", "AGENT_STUCK"]
    for _ in range(1500):
        if draw.random() < 0.3:
            fleet.claimed(draw.choice(["a", "b"]))
        else:
            fleet.post(draw.choice(kinds), draw.randint(1, 12), agentId=draw.choice(["a", "b"]))
        for agent in ("a", "b"):
            entries = [row for _, row in fleet.backend.scan(ENTRIES, "default", f"{agent}\n")]
            stream = fleet.row(STREAMS, agent) or StreamRow()
            assert stream.pending == sum(row.delivered for row in entries)
            if stream.added <= BOUND:
                assert stream.waiting == sum(not row.delivered for row in entries)
            for key, row in fleet.backend.scan(ENTRIES, "default", f"{agent}\n"):
                of = fleet.row(ISSUES, row.issue)
                assert not row.delivered or (of.agent, of.state, key) == (agent, "assigned", f"{agent}\n{of.entry:016d}")
    held = {row.lease for _, row in fleet.backend.scan(ISSUES, "default", "") if row.lease}
    live = {row.id for _, row in fleet.backend.scan(LEASES, "default", "") if row.state == "live"}
    assert held == live
