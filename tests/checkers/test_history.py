"""The judge of histories finds each fault that is planted in a good one, and none in the good one."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.checkers.history import Limits
from tests.checkers.leases import Entry
from tests.checkers.story import SECOND, Story, good


def test_a_good_history_has_no_fault_and_is_counted() -> None:
    found = good().judged()
    assert found.faults == []
    assert (found.grants, found.pushed) == (5, 1)
    assert found.ended == {"lease_expired": 1, "work_failed": 1, "work_completed": 1, "issue_unassigned": 1, "issue_done": 1}
    assert found.answers["claim 204"] == 3
    assert found.longest_wait == 2.0


def two_live_leases(story: Story) -> None:
    story.approve(3)
    story.claim("a", 3)
    story.claim("b", 3, 2)
    story.prove("b", "complete", 3, 2)


def fence_goes_back(story: Story) -> None:
    story.approve(3)
    story.claim("a", 3, 2)
    story.prove("a", "release", 3, 2)
    story.claim("b", 3, 1)
    story.prove("b", "complete", 3, 1)


def fence_stays(story: Story) -> None:
    story.approve(3)
    story.claim("a", 3)
    story.prove("a", "release", 3)
    story.claim("b", 3, 1, lease="another")
    story.event(3, "issue_forced_done")


def lease_id_given_twice(story: Story) -> None:
    story.approve(3)
    story.claim("a", 3)
    story.prove("a", "complete", 3)
    story.approve(4)
    story.claim("a", 4, lease="l3-1")
    story.event(4, "issue_forced_done")


def lower_rank_first(story: Story) -> None:
    story.approve(3, "low")
    story.approve(4, "high")
    story.claim("a", 3)
    story.prove("a", "complete", 3)
    story.claim("a", 4)
    story.prove("a", "complete", 4)


def younger_first(story: Story) -> None:
    story.approve(3)
    story.approve(4)
    story.claim("a", 4)
    story.prove("a", "complete", 4)
    story.claim("a", 3)
    story.prove("a", "complete", 3)


def dependency_open(story: Story) -> None:
    story.approve(3)
    story.approve(4, "critical", 3)
    story.claim("a", 4)
    story.prove("a", "complete", 4)
    story.claim("a", 3)
    story.prove("a", "complete", 3)


def wait_not_over(story: Story) -> None:
    story.approve(3)
    story.claim("a", 3)
    story.event(3, "work_failed", agentId="a", leaseId="l3-1", fence=1, retryAt=story.at + 3 * SECOND)
    story.call("a", "fail", issue="acme/app#3", lease="l3-1", fence=1)
    story.claim("a", 3, 2)
    story.prove("a", "complete", 3, 2)


def finished_one_handed_out(story: Story) -> None:
    story.claim("a", 1, 4)
    story.prove("a", "complete", 1, 4)


def completed_after_the_end_of_its_lease(story: Story) -> None:
    story.approve(3)
    story.claim("a", 3)
    story.expire(3)
    story.prove("a", "complete", 3)
    story.event(3, "issue_forced_done")


def completed_twice(story: Story) -> None:
    story.prove("b", "done", 2, 2)


def completed_for_another(story: Story) -> None:
    story.approve(3)
    story.claim("a", 3)
    story.prove("b", "complete", 3)
    story.event(3, "issue_forced_done")


def expired_for_another_fence(story: Story) -> None:
    story.approve(3)
    story.claim("a", 3)
    story.expire(3, fence=7)
    story.event(3, "issue_forced_done")


def acknowledged_completion_missing(story: Story) -> None:
    story.approve(3)
    story.claim("a", 3)
    story.prove("a", "complete", 3)
    story.log.pop()
    story.event(3, "issue_forced_done")


def acknowledged_claim_missing(story: Story) -> None:
    story.seconds += 1
    story.call("a", "claim", issue="acme/app#9", lease="l9", fence=1)


def refused_write_in_the_log(story: Story) -> None:
    story.approve(3)
    story.claim("a", 3)
    story.prove("a", "complete", 3)
    story.calls[-1] = replace(story.calls[-1], status=409, code="stale_lease", forged=True)


def lease_that_nobody_claimed(story: Story) -> None:
    story.approve(3)
    story.claim("a", 3)
    story.prove("a", "complete", 3)
    story.calls.pop(-2)


def heartbeat_of_a_dead_lease(story: Story) -> None:
    story.prove("a", "heartbeat", 1)


def heartbeat_with_a_forged_fence(story: Story) -> None:
    story.approve(3)
    story.claim("a", 3)
    story.prove("a", "heartbeat", 3, forged=True)
    story.prove("a", "complete", 3)


def live_lease_refused(story: Story) -> None:
    story.approve(3)
    story.claim("a", 3)
    story.refuse("a", "heartbeat", 3)
    story.prove("a", "complete", 3)


def told_that_the_queue_is_empty(story: Story) -> None:
    story.approve(3)
    story.claim("a", 3)
    story.approve(4)
    story.prove("a", "complete", 3)
    story.empty("b")
    story.claim("b", 4)
    story.prove("b", "complete", 4)


def told_that_nothing_was_assigned_to_it(story: Story) -> None:
    story.approve(3)
    story.approve(4)
    story.push("b", 3)
    story.claim("a", 4)
    story.empty("b")
    story.prove("a", "complete", 4)
    story.claim("b", 3)
    story.prove("b", "complete", 3)


def assigned_to_another(story: Story) -> None:
    story.approve(3)
    story.push("b", 3)
    story.claim("a", 3)
    story.prove("a", "complete", 3)


def queue_before_what_was_assigned(story: Story) -> None:
    story.approve(3)
    story.approve(4)
    story.push("b", 3)
    story.claim("b", 4)
    story.prove("b", "complete", 4)
    story.event(3, "issue_forced_done")


def head_stands_too_long(story: Story) -> None:
    story.approve(3)
    story.seconds += 6
    story.claim("a", 3)
    story.prove("a", "complete", 3)


def never_done(story: Story) -> None:
    story.approve(3)


def expired_early(story: Story) -> None:
    story.approve(3)
    story.claim("a", 3)
    story.prove("a", "heartbeat", 3)
    story.expire(3, after=1)
    story.event(3, "issue_forced_done")


def expired_late(story: Story) -> None:
    story.approve(3)
    story.claim("a", 3)
    story.expire(3, after=5)
    story.event(3, "issue_forced_done")


def two_were_sure_to_hold_it(story: Story) -> None:
    """The log itself is in order; the clients' clock says that the first was still proven when the second had it."""
    story.approve(3)
    story.claim("a", 3)
    story.expire(3)
    story.claim("b", 3, 2)
    story.prove("b", "complete", 3, 2)
    story.call("a", "heartbeat", issue="acme/app#3", lease="l3-1", fence=1)


def log_against_real_time(story: Story) -> None:
    story.approve(3)
    story.approve(4)
    story.claim("a", 3)
    story.claim("a", 4)
    early, late = story.calls[-2:]
    story.calls[-2:] = [replace(early, sent=late.sent, got=late.got), replace(late, sent=early.sent, got=early.got)]
    story.prove("a", "complete", 3)
    story.prove("a", "complete", 4)


def answered_with_an_error(story: Story) -> None:
    story.seconds += 1
    story.call("a", "claim", status=500, code="internal")


def answer_names_another_issue(story: Story) -> None:
    story.approve(3)
    story.claim("a", 3)
    story.calls[-1] = replace(story.calls[-1], issue="acme/app#1")
    story.prove("a", "complete", 3)


def event_that_cannot_be(story: Story) -> None:
    story.approve(3)
    story.event(3, "lease_expired")
    story.event(3, "issue_forced_done")


def position_missing(story: Story) -> None:
    story.approve(3)
    story.log[-1] = replace(story.log[-1], sequence=len(story.log) + 1)
    story.seconds += 1
    story.log.append(Entry(len(story.log) + 2, "acme/app#3", "issue_forced_done", story.at, {}))


@pytest.mark.parametrize(
    ("planted", "rule"),
    [
        (two_live_leases, "double lease"),
        (fence_goes_back, "fence"),
        (fence_stays, "fence"),
        (lease_id_given_twice, "lease id"),
        (lower_rank_first, "order"),
        (younger_first, "order"),
        (dependency_open, "not ready"),
        (wait_not_over, "not ready"),
        (finished_one_handed_out, "not queued"),
        (completed_after_the_end_of_its_lease, "stale effect"),
        (completed_twice, "stale effect"),
        (completed_for_another, "stale effect"),
        (expired_for_another_fence, "stale effect"),
        (acknowledged_completion_missing, "lost"),
        (acknowledged_claim_missing, "lost"),
        (refused_write_in_the_log, "not asked for"),
        (lease_that_nobody_claimed, "not asked for"),
        (heartbeat_of_a_dead_lease, "stale accepted"),
        (heartbeat_with_a_forged_fence, "stale accepted"),
        (live_lease_refused, "live refused"),
        (told_that_the_queue_is_empty, "told empty"),
        (told_that_nothing_was_assigned_to_it, "told empty"),
        (assigned_to_another, "not queued"),
        (queue_before_what_was_assigned, "order"),
        (head_stands_too_long, "starved"),
        (never_done, "unfinished"),
        (expired_early, "early expiry"),
        (expired_late, "late expiry"),
        (two_were_sure_to_hold_it, "two holders"),
        (log_against_real_time, "real time"),
        (answered_with_an_error, "answer"),
        (answer_names_another_issue, "answer"),
        (event_that_cannot_be, "not expected"),
        (position_missing, "gap"),
    ],
)
def test_a_planted_fault_is_found(planted: Callable[[Story], None], rule: str) -> None:
    story = good()
    planted(story)
    assert rule in {fault.rule for fault in story.judged().faults}


def test_a_lease_may_end_late_and_the_queue_may_stand_still_while_the_daemon_is_down() -> None:
    story = good()
    story.approve(3)
    story.claim("a", 3)
    begin = story.at
    story.expire(3, after=9)
    down = ((begin + SECOND // 2, story.at - SECOND),)
    story.claim("a", 3, 2)
    story.prove("a", "complete", 3, 2)
    assert {f.rule for f in story.judged().faults} == {"late expiry"}
    assert story.judged(Limits(wait=5, expiry=2, down=down)).faults == []


def test_a_write_of_which_nothing_was_heard_may_be_in_the_log_or_not() -> None:
    for stored in (True, False):
        story = good()
        story.approve(3)
        story.claim("a", 3)
        story.prove("a", "complete", 3)
        story.calls[-1] = replace(story.calls[-1], got=None, status=None)
        if not stored:
            story.log.pop()
            story.event(3, "issue_forced_done")
        assert story.judged().faults == []
