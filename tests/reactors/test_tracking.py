"""Trackers are polled at their own pace; what a page says happens once, whoever else says it and whatever fails."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec
import pytest

from rig.clock import ManualClock
from rig.config import Settings
from rig.errors import Busy, TrackerUnavailable
from rig.ids import DEFAULT_TENANT, SeededIds
from rig.model import facts
from rig.model.events import NewEvent, encode
from rig.model.rows import IssueRow
from rig.model.tables import ISSUES, TRACKED
from rig.model.tracking import TrackedIssue
from rig.plugin.guard import Guard
from rig.plugin.guarded import GuardedTracker
from rig.plugin.tracker import PollContext, TrackerPage
from rig.reactors.reading import CHUNK, TRIES, Place
from rig.reactors.tracking import Tracking
from rig.store.log import Log
from rig.store.memory import open_memory
from rig.store.units import Committed, Timer, Unit

FAST = 0.0001
SLOW = 1000.0
"""Unit of waits under which no second poll comes by itself."""


def issue(number: int, **fields: Any) -> TrackedIssue:
    given: dict[str, Any] = {
        "id": str(number),
        "identifier": f"acme/app#{number}",
        "state": "open",
        "phase": "active",
        "title": f"Issue {number}",
    }
    return TrackedIssue(**{**given, **fields})


class Board:
    """A tracker whose answers are scripted: ``answer`` gives the page for a question."""

    name = "board"

    def __init__(self, *issues: TrackedIssue) -> None:
        self.issues = list(issues)
        self.asked: list[PollContext] = []
        self.fetched: list[str] = []
        self.answer: Callable[[PollContext], TrackerPage] = lambda context: TrackerPage(tuple(self.issues), complete=True)
        self.busy = 0
        self.most = 0

    async def poll(self, context: PollContext) -> TrackerPage:
        self.asked.append(context)
        self.busy += 1
        self.most = max(self.most, self.busy)
        try:
            await asyncio.sleep(0)
            return self.answer(context)
        finally:
            self.busy -= 1

    async def fetch(self, ids: Sequence[str]) -> Sequence[TrackedIssue]:
        self.fetched += ids
        return [i for i in self.issues if i.id in ids]


class Rig:
    """A store and the reactor over it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store: Log = open_memory(clock=self.clock, ids=SeededIds(3))
        self.trackers: dict[str, GuardedTracker] = {}
        self.section: dict[str, Any] = {}
        self.strikes = 100

    def add(self, board: Board) -> Board:
        self.trackers[board.name] = GuardedTracker(board, Guard("acme", strikes=self.strikes))
        return board

    async def post(self, type_: str, number: int, **fields: object) -> None:
        fact = facts.parse({"type": type_, "repo": "acme/app", "issueNumber": number, **fields})
        await self.store.commit(Unit(DEFAULT_TENANT, (NewEvent(fact.stream, fact.type.name, encode(fact.body)),)))

    async def types(self, number: int) -> list[str]:
        stream = f"acme/app#{number}"
        events = await self.store.read(lambda s: s.stream(DEFAULT_TENANT, stream))
        return [event.type for event in events]

    def row(self, number: int) -> IssueRow | None:
        return self.store.get(ISSUES, DEFAULT_TENANT, f"acme/app#{number}")

    async def place(self) -> tuple[Timer, Place]:
        timer = await self.store.read(lambda s: s.timer(DEFAULT_TENANT, "tracker:board"))
        return timer, msgspec.json.decode(timer.payload, type=Place)

    @asynccontextmanager
    async def running(self, second: float = FAST) -> AsyncIterator[Tracking]:
        def settings() -> Settings:
            return Settings.model_validate({"tracker": self.section})

        tracking = Tracking(self.store, self.trackers, self.clock, settings, second=second, jitter=lambda: 1.0)
        task = asyncio.ensure_future(tracking.run())
        try:
            yield tracking
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def round(self, second: float = SLOW) -> None:
        """One poll of every tracker and what it causes."""
        before = {name: guarded._guard.calls for name, guarded in self.trackers.items()}
        async with self.running(second) as tracking:
            await until(lambda: all(w.polled_at is not None or w.error for w in tracking.watched.values()) and tracking.watched)
        assert all(self.trackers[name]._guard.calls > calls for name, calls in before.items())


class Moving(Log):
    """A store in which somebody else tells of an issue just before a unit that expects it is stored, some times."""

    def __init__(self, store: Log, told: NewEvent, times: int) -> None:
        self.__dict__.update(store.__dict__)
        self.told = told
        self.times = times

    async def commit(self, unit: Unit) -> Committed:
        if self.told.stream in unit.expect and self.times:
            self.times -= 1
            await super().commit(Unit(DEFAULT_TENANT, (self.told,)))
        return await super().commit(unit)


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not what():
            await asyncio.sleep(0.001)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    yield made
    await made.store.close()


async def test_a_new_issue_is_queued_once_however_often_it_is_listed(rig: Rig) -> None:
    board = rig.add(Board(issue(1, labels=("api",), priority="high", description="Why.")))
    async with rig.running():
        await until(lambda: len(board.asked) > 3)
    assert await rig.types(1) == ["issue_approved"]
    found = rig.row(1)
    assert found is not None
    assert (found.title, found.description, found.labels, found.priority) == ("Issue 1", "Why.", ("api",), 1)
    assert board.most == 1
    polled = await rig.store.read(lambda s: s.stream(DEFAULT_TENANT, "trackers"))
    assert [(e.type, e.principal) for e in polled] == [("tracker_polled", "tracker:board")]


@pytest.mark.parametrize("first", ["webhook", "poll"])
async def test_a_webhook_and_a_poll_of_one_issue_are_one_effect(rig: Rig, first: str) -> None:
    rig.add(Board(issue(1)))
    if first == "webhook":
        await rig.post("ISSUE_APPROVED", 1, title="Issue 1")
        await rig.round()
        assert await rig.types(1) == ["issue_approved"]
    else:
        await rig.round()
        await rig.post("ISSUE_DONE", 1)
        await rig.round()
        assert await rig.types(1) == ["issue_approved", "issue_done"]  # still open there is not reopened


async def test_an_issue_lives_through_edit_close_and_reopening(rig: Rig) -> None:
    board = rig.add(Board(issue(1)))
    await rig.round()
    board.issues = [issue(1, title="Other")]
    await rig.round()
    board.issues = [issue(1, title="Other", state="closed", phase="done")]
    await rig.round()
    await rig.round()
    board.issues = [issue(1, title="Other")]
    await rig.round()
    assert await rig.types(1) == ["issue_approved", "issue_edited", "issue_done", "issue_approved"]
    found = rig.row(1)
    assert found is not None
    assert (found.state, found.title, found.attempt) == ("queued", "Other", 2)


async def test_an_edit_keeps_the_place_in_the_queue(rig: Rig) -> None:
    board = rig.add(Board(issue(1)))
    await rig.round()
    queued = rig.row(1)
    board.issues = [issue(1, description="More.")]
    await rig.round()
    edited = rig.row(1)
    assert queued is not None
    assert edited is not None
    assert (edited.description, edited.queued_sequence) == ("More.", queued.queued_sequence)


async def test_what_a_complete_page_leaves_out_is_gone_but_not_what_it_could_not_read(rig: Rig) -> None:
    board = rig.add(Board(issue(1), issue(2)))
    await rig.round()
    board.answer = lambda context: TrackerPage(complete=True, faults={"2": "2.md, line 3: what is this?"})
    async with rig.running(SLOW) as tracking:
        await until(lambda: tracking.watched.get("board") and tracking.watched["board"].polled_at is not None)
        ((name, health),) = tracking.health()
    assert (name, health.status, health.reason) == ("tracker:board", "Degraded", "2.md, line 3: what is this?")
    assert await rig.types(1) == ["issue_approved", "issue_cancelled"]
    assert await rig.types(2) == ["issue_approved"]


async def test_pages_are_read_one_after_another_and_the_cursor_is_kept_with_their_effects(rig: Rig) -> None:
    board = rig.add(Board())

    def answer(context: PollContext) -> TrackerPage:
        n = int(context.cursor or "0")
        return TrackerPage((issue(n + 1),), cursor=str(n + 1), more=n < 2)

    board.answer = answer
    await rig.round()
    assert [c.cursor for c in board.asked] == ["", "1", "2"]
    assert (await rig.place())[1].cursor == "3"
    await rig.round()
    assert board.asked[-1].cursor == "3"


async def test_a_failure_in_the_middle_goes_on_after_the_last_page_that_was_stored(rig: Rig) -> None:
    board = rig.add(Board(issue(1), issue(2)))

    def answer(context: PollContext) -> TrackerPage:
        if context.cursor == "a" and len(board.asked) == 2:
            raise TrackerUnavailable("http 502")
        if context.cursor == "a":
            return TrackerPage((issue(2),), cursor="b")
        return TrackerPage((issue(1),), cursor="a", more=True)

    board.answer = answer
    async with rig.running():
        await until(lambda: len(board.asked) >= 3)
        await until(lambda: rig.row(2) is not None)
    assert [c.cursor for c in board.asked[:3]] == ["", "a", "a"]
    assert await rig.types(1) == await rig.types(2) == ["issue_approved"]


async def test_a_tracker_that_asks_for_rest_is_left_alone_also_after_a_restart_and_a_refresh(rig: Rig) -> None:
    board = rig.add(Board(issue(1)))

    def refuse(context: PollContext) -> TrackerPage:
        raise TrackerUnavailable("the rate limit is used up", retry_after=900)

    board.answer = refuse
    await rig.round()
    timer, place = await rig.place()
    assert (place.rest - rig.clock.now(), place.fails) == (900_000_000, 1)
    assert timer.due == place.rest
    async with rig.running(SLOW) as tracking:
        await until(lambda: tracking.watched.get("board") and tracking.watched["board"].due)
        assert tracking.watched["board"].due == place.rest
        assert tracking.refresh()
        await asyncio.sleep(0.05)
        assert len(board.asked) == 1
    rig.clock.advance(901)
    board.answer = lambda context: TrackerPage((issue(1),), complete=True)
    await rig.round()
    assert await rig.types(1) == ["issue_approved"]


def _failed(tracking: Tracking) -> bool:
    return "board" in tracking.watched and tracking.watched["board"].error is not None


async def test_a_tracker_that_fails_changes_nothing_and_is_asked_less_and_less_often(rig: Rig) -> None:
    board = rig.add(Board(issue(1)))
    await rig.round()

    def fail(context: PollContext) -> TrackerPage:
        raise RuntimeError("boom")

    board.answer = fail
    waits = []
    for _ in range(8):
        async with rig.running(SLOW) as tracking:
            await until(partial(_failed, tracking))
            ((_, health),) = tracking.health()
        timer, _ = await rig.place()
        assert timer.due is not None
        waits.append((timer.due - rig.clock.now()) // 1_000_000)
        rig.clock.advance(1)
    assert waits == [30, 60, 120, 240, 480, 600, 600, 600]
    assert health.reason == "plugin acme failed in board.poll: RuntimeError"
    assert await rig.types(1) == ["issue_approved"]


async def test_a_plugin_that_keeps_answering_nonsense_is_quarantined(rig: Rig) -> None:
    rig.strikes = 3
    board = rig.add(Board())
    answers: list[Any] = [None, TrackerPage([1]), TrackerPage(complete=True, cursor="x")]  # type: ignore[list-item]
    board.answer = lambda context: answers[(len(board.asked) - 1) % 3]
    async with rig.running():
        await until(lambda: rig.trackers["board"].quarantined)
        count = len(board.asked)
        await asyncio.sleep(0.05)
    assert count == len(board.asked) == 3


async def test_refresh_polls_at_once_and_a_second_wish_is_the_first(rig: Rig) -> None:
    board = rig.add(Board(issue(1)))
    async with rig.running(SLOW) as tracking:
        await until(lambda: rig.row(1))
        await until(lambda: tracking.watched["board"].polled_at is not None)
        board.issues.append(issue(2))
        assert tracking.refresh()
        assert not tracking.refresh()
        await until(lambda: rig.row(2))
        await until(lambda: not tracking.watched["board"].wanted.is_set())
        assert tracking.refresh()


async def test_only_the_tracker_of_tracker_kind_is_polled(rig: Rig) -> None:
    board, other = rig.add(Board()), Board()
    other.name = "other"
    rig.add(other)
    rig.section = {"kind": "other"}
    async with rig.running() as tracking:
        await until(lambda: other.asked)
        rig.section = {"kind": "absent"}
        assert [(n, r.status) for n, r in tracking.health()] == [("tracker:absent", "Degraded")]
    assert board.asked == []


async def test_other_rules_have_everything_read_again(rig: Rig) -> None:
    board = rig.add(Board())
    board.answer = lambda context: TrackerPage(() if context.cursor else (issue(1),), cursor="seen")
    rig.section = {"required_labels": ["agent"]}
    await rig.round()
    known = rig.store.get(TRACKED, DEFAULT_TENANT, "board\n1")
    assert known is not None
    assert (known.phase, known.why) == ("inactive", "it lacks the label agent")
    await rig.round()
    rig.section = {}
    await rig.round()
    assert [c.cursor for c in board.asked] == ["", "seen", ""]
    assert await rig.types(1) == ["issue_approved"]


async def test_issues_that_can_not_be_used_are_named_and_the_others_count(rig: Rig) -> None:
    rig.add(
        Board(
            issue(1, identifier="no name"),
            issue(2, title="x" * 1001),
            issue(3, description="\ud800"),
            issue(4, depends_on=("acme/app#4",)),
            issue(5),
        )
    )
    async with rig.running(SLOW) as tracking:
        await until(lambda: tracking.watched.get("board") and tracking.watched["board"].polled_at is not None)
        assert tracking.watched["board"].faults == {
            "1": "'no name' is no name of an issue: owner/repo#42 or ABC-123",
            "2": "acme/app#2: title must be a text of at most 1000 characters",
            "3": "acme/app#3: a text holds a lone surrogate",
            "4": "acme/app#4: an issue cannot depend on itself",
        }
    assert [n for n in range(1, 6) if rig.row(n)] == [5]


async def test_an_issue_that_can_not_be_used_stays_named_until_it_is_told_of_again(rig: Rig) -> None:
    """A tracker with a cursor tells of it once."""
    board = rig.add(Board())
    told = {"": issue(1, title="x" * 1001), "1": issue(2), "2": issue(1), "3": None}

    def answer(context: PollContext) -> TrackerPage:
        one = told[context.cursor]
        return TrackerPage((one,) if one else (), cursor=str(min(int(context.cursor or 0) + 1, 3)))

    board.answer = answer
    async with rig.running(SLOW) as tracking:
        for cursor, named in (("1", {"1"}), ("2", {"1"}), ("3", set())):
            async with asyncio.timeout(10):
                while not board.asked or (await rig.place())[1].cursor != cursor:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)  # what was stored is shown a moment later
            assert set(tracking.watched["board"].faults) == named
            tracking.watched["board"].wanted.set()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda context: TrackerPage((issue(1, id=42),), complete=True), "its id"),
        (lambda context: (_ for _ in ()).throw(Busy("the house is closed")), "the house is closed"),
    ],
)
async def test_whatever_a_tracker_answers_its_health_says_so(
    rig: Rig, answer: Callable[[PollContext], TrackerPage], told: str
) -> None:
    board = rig.add(Board())
    board.answer = answer
    async with rig.running(SLOW) as tracking:
        await until(lambda: tracking.health() and tracking.health()[0][1].status == "Degraded")
        ((_, health),) = tracking.health()
    assert told in str(health.reason)
    (_, place), asked = await rig.place(), len(board.asked)
    assert asked == 1
    assert place.fails == (told == "the house is closed")


async def test_a_big_page_is_stored_in_units_of_some_and_in_order_of_priority(rig: Rig) -> None:
    many = [issue(n, priority="low" if n % 2 else "high") for n in range(1, 2 * CHUNK + 2)]
    rig.add(Board(*many))
    await rig.round()
    events = await rig.store.read(lambda s: s.events(DEFAULT_TENANT, 0, 1000))
    approved = [e.stream for e in events if e.type == "issue_approved"]
    assert len(approved) == len(many)
    assert approved[:CHUNK] == [f"acme/app#{n}" for n in sorted(range(2, 2 * CHUNK + 2, 2), key=str)]
    assert len([e for e in events if e.type == "tracker_polled"]) == 3


async def test_a_page_that_a_webhook_overtook_is_asked_for_again_with_the_same_cursor(rig: Rig) -> None:
    board = rig.add(Board())
    board.answer = lambda context: TrackerPage((issue(1),), cursor="1")
    await rig.round()

    closed = issue(1, state="closed", phase="done")
    reopen = asyncio.Event()

    async def poll(context: PollContext) -> TrackerPage:
        board.asked.append(context)
        if len(board.asked) == 2:  # it is closed and reopened by webhooks while this page is on its way
            await rig.post("ISSUE_DONE", 1)
            await rig.post("ISSUE_APPROVED", 1)
            reopen.set()
            return TrackerPage((closed,), cursor="2")
        return TrackerPage((issue(1),), cursor="3")

    board.poll = poll  # type: ignore[method-assign]
    async with rig.running():
        await reopen.wait()
        await until(lambda: len(board.asked) > 2)
    assert [c.cursor for c in board.asked[:3]] == ["", "1", "1"]
    assert await rig.types(1) == ["issue_approved", "issue_done", "issue_approved"]


@pytest.mark.parametrize(("before", "after"), [([], []), (["ISSUE_APPROVED"], ["issue_edited"])])
async def test_an_issue_that_a_webhook_tells_of_while_a_page_is_stored_is_judged_again(
    rig: Rig, before: list[str], after: list[str]
) -> None:
    board = rig.add(Board(issue(1)))
    for type_ in before:
        await rig.post(type_, 1, title="Issue")
    told = facts.parse(
        {"type": "ISSUE_APPROVED", "repo": "acme/app", "issueNumber": 1, "title": "Issue" if before else "Issue 1"}
    )
    rig.store = moving = Moving(rig.store, NewEvent(told.stream, told.type.name, encode(told.body)), times=1)
    async with rig.running(SLOW) as tracking:
        await until(lambda: (watch := tracking.watched.get("board")) and (watch.polled_at or watch.error))
        assert [result.status for _, result in tracking.health()] == ["Ok"]
    assert (moving.times, len(board.asked)) == (0, 1)
    assert await rig.types(1) == [*map(str.lower, before), "issue_approved", *after]


async def test_a_tracker_whose_issues_keep_changing_says_so_and_is_left_alone_for_a_moment(rig: Rig) -> None:
    board = rig.add(Board(issue(1)))
    rig.store = moving = Moving(rig.store, NewEvent("acme/app#1", "branch_created", b"{}"), times=TRIES)
    async with rig.running(SLOW) as tracking:
        await until(partial(_failed, tracking))
        await asyncio.sleep(0.05)
        ((_, health),) = tracking.health()
        assert (moving.times, len(board.asked)) == (0, 1)
    assert health.reason == "its issues keep changing while they are judged"
    await rig.round()
    assert await rig.types(1) == ["branch_created"] * TRIES + ["issue_edited"]


async def test_issues_that_wait_are_asked_for_by_their_ids_and_leave_the_queue_when_they_are_gone(rig: Rig) -> None:
    board = rig.add(Board(issue(2)))
    board.answer = lambda context: TrackerPage((issue(1), issue(2)) if not context.cursor else (), cursor="1")
    await rig.round()
    rig.clock.advance(301)
    await rig.round()
    assert sorted(board.fetched[-2:]) == ["1", "2"]
    assert await rig.types(1) == ["issue_approved", "issue_cancelled"]
    assert await rig.types(2) == ["issue_approved"]


async def test_two_daemons_on_one_log_cause_everything_once(rig: Rig) -> None:
    board = rig.add(Board(*(issue(n) for n in range(1, 6))))
    async with rig.running() as one, rig.running() as other:
        await until(lambda: len(board.asked) > 6)
        await until(lambda: one.watched["board"].polled_at or other.watched["board"].polled_at)
    assert [await rig.types(n) for n in range(1, 6)] == [["issue_approved"]] * 5
