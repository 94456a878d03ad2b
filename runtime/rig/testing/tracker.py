"""The suites of trackers (``rig_register_trackers``)."""

from collections.abc import Sequence
from typing import Any

from rig.errors import PluginError, TrackerUnavailable
from rig.plugin.guard import Guard
from rig.plugin.guarded import GuardedTracker
from rig.plugin.tracker import PollContext, TrackerPage
from rig.reactors.tracked import unusable
from rig.testing import hostile
from rig.testing.calls import Outcome, attempt, ends_when_cancelled, free_loop
from rig.testing.receiver import Reaction, Receiver
from rig.testing.suite import ThingSuite, check, must

SECONDS = 10.0
PAGES = 50


def poll_context(cursor: str = "", **changes: Any) -> PollContext:
    """A question to a tracker: the first one, or with the cursor of a page."""
    return PollContext(**{"cursor": cursor, "at": 1_767_323_045_678_000, **changes})


class _Trackers(ThingSuite):
    hook = "rig_register_trackers"

    async def warm(self) -> None:
        for tracker in self.found():
            await self._poll(tracker)

    async def _poll(self, tracker: Any, cursor: str = "") -> TrackerPage | None:
        """A page, None where the tracker can't be read; fails for anything else."""
        guard = Guard("tested", strikes=1000)
        outcome = await attempt(GuardedTracker(tracker, guard).poll, poll_context(cursor), seconds=SECONDS)
        page: TrackerPage | None = _good(tracker.name, f"poll with the cursor {cursor[:40]!r}", outcome, guard)
        return page

    async def _fetch(self, tracker: Any, ids: Sequence[str]) -> Any:
        guard = Guard("tested", strikes=1000)
        outcome = await attempt(GuardedTracker(tracker, guard).fetch, list(ids), seconds=SECONDS)
        return _good(tracker.name, f"fetch of {str(list(ids))[:60]}", outcome, guard)


def _good(name: str, what: str, outcome: Outcome, guard: Guard) -> Any:
    must(not outcome.late, f"{name}: {what}: no end within {SECONDS:g} s")
    must(not isinstance(outcome.error, PluginError), f"{name}: {what}: {guard.last_error}")
    must(outcome.error is None or isinstance(outcome.error, TrackerUnavailable), f"{name}: {what}: raised {outcome.error!r}")
    return outcome.answer


class TrackerContract(_Trackers):
    """What Rig expects of a tracker."""

    @check
    async def test_it_registers_a_tracker(self) -> None:
        must(self.found(), "it registers no tracker with this configuration")

    @check
    async def test_a_poll_ends_with_a_page_or_says_that_it_can_not_be_read(self) -> None:
        for tracker in self.things():
            await self._poll(tracker)

    @check
    async def test_pages_come_to_an_end(self) -> None:
        for tracker in self.things():
            cursor, seen = "", {""}
            for _ in range(PAGES):
                page = await self._poll(tracker, cursor)
                if page is None or not page.more:
                    break
                must(page.cursor not in seen, f"{tracker.name}: the cursor {page.cursor[:40]!r} leads to itself")
                seen.add(cursor := page.cursor)

    @check
    async def test_every_issue_can_be_stored(self) -> None:
        for tracker in self.things():
            if (page := await self._poll(tracker)) is not None:
                wrong = [fault for issue in page.issues if (fault := unusable(issue))]
                must(not wrong, f"{tracker.name}: {wrong[:1]}")
                ids = [issue.id for issue in page.issues]
                must(len(ids) == len(set(ids)), f"{tracker.name}: an issue is listed twice on one page")

    @check
    async def test_the_same_question_has_the_same_answer(self) -> None:
        for tracker in self.things():
            first, second = await self._poll(tracker), await self._poll(tracker)
            if first is not None and second is not None:
                same = [i.id for i in first.issues] == [i.id for i in second.issues]
                must(same, f"{tracker.name}: asked again from the beginning, it lists something else")

    @check
    async def test_what_is_fetched_is_what_was_asked_for(self) -> None:
        for tracker in self.things():
            page = await self._poll(tracker)
            ids = [issue.id for issue in page.issues][:5] if page is not None else []
            found = await self._fetch(tracker, [*ids, "of nobody"])
            must(found is None or {i.id for i in found} <= {*ids}, f"{tracker.name}: it fetches what it was not asked for")


class TrackerFaults(_Trackers):
    """What a tracker meets on bad days."""

    @check
    async def test_a_cursor_that_it_never_gave_is_no_fault(self) -> None:
        for tracker in self.things():
            for cursor in ("x", "{", "null", "[]", '{"a": 1}', "../../etc/passwd", "é" * 1000):
                await self._poll(tracker, cursor)

    @check
    async def test_ids_that_it_never_gave_are_left_out(self) -> None:
        for tracker in self.things():
            for text in hostile.STORED:
                found = await self._fetch(tracker, [text[:200]])
                must(not found, f"{tracker.name}: it finds an issue for the id {text[:40]!r}")

    @check
    async def test_a_poll_that_is_cancelled_ends_at_once(self) -> None:
        for tracker in self.things():
            for after in (0.0, 0.05):
                await ends_when_cancelled(tracker.name, tracker.poll, poll_context(), after=after)

    @check
    async def test_a_peer_that_refuses_or_babbles_makes_it_unavailable(self) -> None:
        for reaction in (
            Reaction(500),
            Reaction(429, {"Retry-After": "7"}),
            Reaction(200, body=b"<html>"),
            Reaction(trouble="drop"),
            Reaction(trouble="garbage"),
        ):
            with Receiver(reaction) as receiver:
                for tracker in self.talking_to(receiver.url):
                    page = await self._poll(tracker)
                    said = reaction.trouble or f"http {reaction.status}"
                    must(page is None or not receiver.received, f"{tracker.name}: a page, and its peer says {said}")

    @check
    async def test_a_peer_that_hangs_holds_nothing_up(self) -> None:
        with Receiver(Reaction(trouble="hang")) as receiver:
            for tracker in self.talking_to(receiver.url):
                async with free_loop(tracker.name):
                    await ends_when_cancelled(tracker.name, tracker.poll, poll_context(), after=0.5)
