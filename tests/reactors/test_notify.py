"""Notifiers follow the log: what they get, how often, and that none waits for another."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rig.clock import ManualClock
from rig.errors import NotSent
from rig.ids import DEFAULT_TENANT, SeededIds
from rig.model import facts
from rig.model.events import NewEvent, encode
from rig.model.notices import NoticeKind
from rig.plugin.guard import Guard
from rig.plugin.guarded import GuardedNotifier
from rig.plugin.notifier import Notification
from rig.reactors.notify import BEHIND, STALE, TRIES, Notify
from rig.store.log import Log
from rig.store.memory import open_memory
from rig.store.units import Unit

FAST = 0.001


class Recorder:
    """Takes what ``refuse`` does not raise for."""

    def __init__(self, name: str = "pager", kinds: Iterable[NoticeKind] = ()) -> None:
        self.name, self.kinds = name, tuple(kinds)
        self.tried: list[str] = []
        self.got: list[Notification] = []
        self.refuse: Callable[[Notification], None] = lambda notification: None

    async def send(self, notification: Notification) -> None:
        self.tried.append(notification.id)
        self.refuse(notification)
        self.got.append(notification)

    async def count(self, number: int) -> list[Notification]:
        async with asyncio.timeout(10):
            while len(self.got) < number:
                await asyncio.sleep(0.005)
        return self.got


class Rig:
    """A store and the reactor over it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store: Log = open_memory(clock=self.clock, ids=SeededIds(3))
        self.notifiers: dict[str, GuardedNotifier] = {}

    def add(self, recorder: Recorder, strikes: int = 100) -> Recorder:
        self.notifiers[recorder.name] = GuardedNotifier(recorder, Guard("acme", strikes=strikes))
        return recorder

    async def post(self, type_: str, number: int = 1, tenant: str = DEFAULT_TENANT, **fields: object) -> None:
        fact = facts.parse({"type": type_, "repo": "acme/app", "issueNumber": number, **fields})
        await self.store.commit(Unit(tenant, (NewEvent(fact.stream, fact.type.name, encode(fact.body)),)))

    async def cursor(self, name: str = "pager") -> int:
        found: int = await self.store.read(lambda s: s.cursor(f"notify:{name}"))
        return found

    @asynccontextmanager
    async def running(self, second: float = FAST) -> AsyncIterator[Notify]:
        notify = Notify(self.store, self.notifiers, self.clock, lambda: "https://rig.example.com", second=second)
        unlisten = self.store.listen(notify.hear)
        task = asyncio.ensure_future(notify.run())
        try:
            yield notify
        finally:
            unlisten()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    for number in range(2, 10):
        await made.post("ISSUE_APPROVED", number)
    yield made
    await made.store.close()


async def begun(rig: Rig, name: str = "pager") -> None:
    """The notifier has found its place."""
    async with asyncio.timeout(10):
        while not await rig.cursor(name):
            await asyncio.sleep(0.005)


async def test_it_hears_of_what_happens_from_now_on_in_order(rig: Rig) -> None:
    pager = rig.add(Recorder())
    await rig.post("ISSUE_NEEDS_HUMAN", 1)
    async with rig.running():
        await begun(rig)
        await rig.post("ISSUE_NEEDS_HUMAN", 2, title="A\x1b[31m title", reason="who\nis it?", url="https://tracker/2")
        await rig.post("ISSUE_DONE", 3)
        first, second = await pager.count(2)
    assert (first.id, first.issue, first.kind) == ("pager-10", "acme/app#2", "attention")
    assert (first.text, first.url) == ("A title – who\nis it?", "https://tracker/2")
    assert (second.id, second.kind, second.url) == ("pager-11", "done", "https://rig.example.com")


async def test_it_gets_the_kinds_that_it_wants_and_events_of_its_tenant(rig: Rig) -> None:
    await rig.post("ISSUE_APPROVED")
    pager = rig.add(Recorder(kinds=["done"]))
    async with rig.running():
        await begun(rig)
        await rig.post("ISSUE_NEEDS_HUMAN", 2)
        await rig.post("ISSUE_DONE", 3, tenant="other")
        await rig.post("ISSUE_DONE", 4)
        (got,) = await pager.count(1)
    assert got.issue == "acme/app#4"


async def test_an_event_that_did_not_apply_is_told_to_nobody(rig: Rig) -> None:
    pager = rig.add(Recorder())
    async with rig.running():
        await begun(rig)
        await rig.post("ISSUE_APPROVED", 1)
        await rig.post("ISSUE_APPROVED", 21, parent=1)
        await rig.post("ISSUE_DONE", 1)  # its sub-issue is open
        await rig.post("ISSUE_DONE", 21)
        await rig.post("ISSUE_DONE", 1)
        got = await pager.count(2)
    assert [one.issue for one in got] == ["acme/app#21", "acme/app#1"]


async def test_after_a_restart_it_goes_on_and_sends_nothing_twice(rig: Rig) -> None:
    await rig.post("ISSUE_APPROVED")
    pager = rig.add(Recorder())
    async with rig.running():
        await begun(rig)
        await rig.post("ISSUE_DONE", 2)
        await pager.count(1)
        async with asyncio.timeout(10):
            while await rig.cursor() < 2:
                await asyncio.sleep(0.005)
    await rig.post("ISSUE_DONE", 3)
    async with rig.running():
        await pager.count(2)
    assert pager.tried == ["pager-10", "pager-11"]


async def test_what_fails_is_sent_again_with_the_same_id_and_shown_in_health(rig: Rig) -> None:
    await rig.post("ISSUE_APPROVED")
    pager = rig.add(Recorder())

    def refuse(notification: Notification) -> None:
        if len(pager.tried) < 3:
            raise NotSent("http 503")

    pager.refuse = refuse
    async with rig.running(0.1) as notify:
        await begun(rig)
        assert [(n, r.status) for n, r in notify.health()] == [("pager", "Ok")]
        await rig.post("ISSUE_DONE", 2)
        async with asyncio.timeout(10):
            while not pager.tried:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0)
        ((name, result),) = notify.health()
        assert (name, result.status, result.reason) == ("pager", "Degraded", "http 503")
        await pager.count(1)
        await asyncio.sleep(0)
        assert [r.status for _, r in notify.health()] == ["Ok"]
    assert pager.tried == ["pager-10"] * 3


async def test_retry_after_is_waited_for(rig: Rig) -> None:
    await rig.post("ISSUE_APPROVED")
    pager = rig.add(Recorder())
    times: list[float] = []

    def refuse(notification: Notification) -> None:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 1:
            raise NotSent("http 429", retry_after=50)

    pager.refuse = refuse
    async with rig.running(0.01):
        await begun(rig)
        await rig.post("ISSUE_DONE", 2)
        await pager.count(1)
    assert times[1] - times[0] >= 0.5


@pytest.mark.parametrize(("final", "tries"), [(False, TRIES), (True, 1)])
async def test_it_is_given_up_after_some_tries_and_the_next_one_comes(rig: Rig, final: bool, tries: int) -> None:
    await rig.post("ISSUE_APPROVED")
    pager = rig.add(Recorder())

    def refuse(notification: Notification) -> None:
        if notification.issue == "acme/app#2":
            raise NotSent("http 400", final=final)

    pager.refuse = refuse
    async with rig.running():
        await begun(rig)
        await rig.post("ISSUE_DONE", 2)
        await rig.post("ISSUE_DONE", 3)
        await pager.count(1)
    assert pager.tried == ["pager-10"] * tries + ["pager-11"]


async def test_one_that_hangs_holds_up_no_other(rig: Rig) -> None:
    class Hanging(Recorder):
        async def send(self, notification: Notification) -> None:
            self.tried.append(notification.id)
            await asyncio.Event().wait()

    await rig.post("ISSUE_APPROVED")
    hanging, pager = rig.add(Hanging("hanging")), rig.add(Recorder())
    async with rig.running():
        await begun(rig)
        await begun(rig, "hanging")
        for number in range(2, 7):
            await rig.post("ISSUE_DONE", number)
        await pager.count(5)
    assert hanging.tried == ["hanging-10"]


async def test_one_in_quarantine_keeps_its_notifications_until_it_is_let_out(rig: Rig) -> None:
    await rig.post("ISSUE_APPROVED")
    pager = rig.add(Recorder(), strikes=2)

    def broken(notification: Notification) -> None:
        raise ValueError("a bug")

    pager.refuse = broken
    guarded = rig.notifiers["pager"]
    async with rig.running():
        await begun(rig)
        await rig.post("ISSUE_DONE", 2)
        async with asyncio.timeout(10):
            while not guarded.quarantined:
                await asyncio.sleep(0.005)
        tried = len(pager.tried)
        pager.refuse = lambda notification: None
        guarded._guard.release()
        (got,) = await pager.count(1)
    assert (tried, got.id) == (2, "pager-10")


async def test_one_that_is_switched_off_ends_in_the_middle_and_sends_it_again_when_it_is_on(rig: Rig) -> None:
    ended = asyncio.Event()

    class Hanging(Recorder):
        async def send(self, notification: Notification) -> None:
            try:
                await super().send(notification)
                await asyncio.Event().wait()
            finally:
                ended.set()

    await rig.post("ISSUE_APPROVED")
    hanging = rig.add(Hanging())
    async with rig.running() as notify:
        await begun(rig)
        await rig.post("ISSUE_DONE", 2)
        await hanging.count(1)
        del rig.notifiers["pager"]
        async with asyncio.timeout(10):
            await ended.wait()
        assert notify.health() == []
        pager = rig.add(Recorder())
        (got,) = await pager.count(1)
    assert got.id == hanging.got[0].id == "pager-10"


async def test_what_is_a_day_old_is_not_sent(rig: Rig) -> None:
    await rig.post("ISSUE_APPROVED")
    pager = rig.add(Recorder())
    async with rig.running():
        await begun(rig)
    await rig.post("ISSUE_DONE", 2)
    rig.clock.advance(STALE / 1e6)
    await rig.post("ISSUE_DONE", 3)
    async with rig.running():
        await pager.count(1)
    assert pager.tried == ["pager-11"]


async def test_its_place_is_kept_also_where_nothing_is_told(rig: Rig) -> None:
    await rig.post("ISSUE_APPROVED")
    rig.add(Recorder())
    async with rig.running():
        await begun(rig)
        facts_: list[Any] = [NewEvent("acme/app#1", "branch_created", b"{}")] * BEHIND
        await rig.store.commit(Unit(DEFAULT_TENANT, tuple(facts_)))
        async with asyncio.timeout(20):
            while await rig.cursor() < BEHIND:
                await asyncio.sleep(0.01)
