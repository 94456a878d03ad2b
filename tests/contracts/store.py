"""The contract of a store: every backend subclasses this and supplies ``open_store``."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rig.clock import ManualClock
from rig.errors import AlreadyExists, BadRequest, IdempotencyReuse, StaleLease, VersionConflict
from rig.ids import SeededIds
from rig.model import facts
from rig.model.events import NewEvent, encode
from rig.model.spend import spent
from rig.model.tables import ISSUES, LEASES, QUEUE, SPEND_BY_CATEGORY, SPEND_BY_REPO, UNAPPLIED, USAGE, Query, Since, Where
from rig.store.log import Log
from rig.store.units import Claim, Cursor, Idempotency, Outcome, Timer, Unit

TENANT = "default"


def fact(type_: str, number: int = 1, **fields: Any) -> NewEvent:
    """A posted event of issue ``acme/app#<number>``."""
    parsed = facts.parse({"type": type_, "repo": "acme/app", "issueNumber": number, **fields})
    return NewEvent(parsed.stream, parsed.type.name, encode(parsed.body))


def unit(*events: NewEvent, tenant: str = TENANT, **more: Any) -> Unit:
    return Unit(tenant=tenant, events=events, principal="test", operation="test", **more)


def claim(agent: str = "a-1", lease: str = "l-1", job: str = "ir-00000001", **more: Any) -> Claim:
    return Claim(tenant=TENANT, agent=agent, lease_id=lease, job_id=job, lease_seconds=60, **more)


class StoreContract(ABC):
    """What the memory store specifies and the others must do alike."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    async def store(self, clock: ManualClock, tmp_path: Any) -> AsyncIterator[Log]:
        store = await self.open_store(clock, tmp_path)
        yield store
        await store.close()

    @abstractmethod
    async def open_store(self, clock: ManualClock, path: Any) -> Log: ...

    @staticmethod
    def ids() -> SeededIds:
        return SeededIds(7)

    async def test_events_get_gapless_positions_sequences_and_versions(self, store: Log) -> None:
        first = await store.commit(unit(fact("ISSUE_APPROVED"), fact("ISSUE_APPROVED", 2)))
        second = await store.commit(unit(fact("WORK_STARTED", agentId="a")))
        events = [*first.events, *second.events]
        assert [(e.position, e.sequence, e.version) for e in events] == [(1, 1, 1), (2, 2, 1), (3, 3, 2)]

    async def test_each_tenant_counts_its_own_sequence(self, store: Log) -> None:
        await store.commit(unit(fact("ISSUE_APPROVED")))
        other = await store.commit(unit(fact("ISSUE_APPROVED"), tenant="other"))
        assert (other.events[0].position, other.events[0].sequence, other.events[0].version) == (2, 1, 1)
        with store.snapshot() as snapshot:
            assert snapshot.tenants() == ["default", "other"]
            assert [e.position for e in snapshot.events("other", 0, 10)] == [2]
            assert [e.position for e in snapshot.log(0, 10)] == [1, 2]

    async def test_a_wrong_expected_version_stores_nothing(self, store: Log) -> None:
        await store.commit(unit(fact("ISSUE_APPROVED")))
        with pytest.raises(VersionConflict) as caught:
            await store.commit(unit(fact("ISSUE_DONE"), fact("ISSUE_APPROVED", 2), expect={"acme/app#1": 7}))
        assert caught.value.details["current_version"] == 1
        with store.snapshot() as snapshot:
            assert snapshot.as_of(TENANT) == 1
            assert snapshot.get(ISSUES, TENANT, "acme/app#2") is None

    async def test_expecting_nothing_finds_what_exists(self, store: Log) -> None:
        await store.commit(unit(fact("ISSUE_APPROVED"), expect={"acme/app#1": 0}))
        with pytest.raises(AlreadyExists):
            await store.commit(unit(fact("ISSUE_APPROVED"), expect={"acme/app#1": 0}))

    async def test_of_racing_writers_at_one_version_exactly_one_wins(self, store: Log) -> None:
        """I7"""
        await store.commit(unit(fact("ISSUE_APPROVED")))
        results = await asyncio.gather(
            *(store.commit(unit(fact("HUMAN_GATE_REMINDER"), expect={"acme/app#1": 1})) for _ in range(20)),
            return_exceptions=True,
        )
        assert sum(not isinstance(r, Exception) for r in results) == 1
        assert sum(isinstance(r, VersionConflict) for r in results) == 19

    async def test_a_failing_unit_does_not_touch_its_neighbours(self, store: Log) -> None:
        results = await store.commit_many(
            [
                unit(fact("ISSUE_APPROVED")),
                unit(fact("ISSUE_DONE"), expect={"acme/app#1": 5}),
                unit(fact("WORK_STARTED", agentId="a")),
            ]
        )
        assert [isinstance(r, Exception) for r in results] == [False, True, False], results
        row = store.get(ISSUES, TENANT, "acme/app#1")
        assert row is not None
        assert (row.state, row.version) == ("in_progress", 2)

    async def test_a_unit_that_follows_a_failed_one_fails_too(self, store: Log) -> None:
        results = await store.commit_many(
            [
                unit(fact("ISSUE_APPROVED"), expect={"acme/app#1": 3}),
                unit(fact("ISSUE_APPROVED"), expect={"acme/app#1": 0}, follows=True),
                unit(fact("ISSUE_APPROVED", 2), follows=True),
                unit(fact("ISSUE_APPROVED", 3)),
            ]
        )
        assert [isinstance(r, Exception) for r in results] == [True, True, True, False]

    async def test_an_idempotent_repeat_gets_the_first_outcome_and_stores_nothing(self, store: Log) -> None:
        """I3"""
        repeat = unit(
            fact("ISSUE_APPROVED"),
            idempotency=Idempotency("default|local|POST|/x|k1", b"digest"),
            outcome=lambda c: Outcome(200, str(c.events[0].sequence).encode()),
        )
        first, second = await store.commit(repeat), await store.commit(repeat)
        assert first.outcome == second.outcome == Outcome(200, b"1")
        assert (first.replayed, second.replayed) == (False, True)
        with store.snapshot() as snapshot:
            assert snapshot.as_of(TENANT) == 1
            assert snapshot.outcome("default|local|POST|/x|k1") == (b"digest", Outcome(200, b"1"))

    async def test_twins_in_one_batch_have_one_effect(self, store: Log) -> None:
        """I3"""
        twin = unit(fact("ISSUE_APPROVED"), idempotency=Idempotency("k", b"d"), outcome=lambda c: Outcome(200, b"x"))
        done = await asyncio.gather(*(store.commit(twin) for _ in range(8)))
        assert sorted(c.replayed for c in done) == [False, *[True] * 7]

    async def test_a_reused_key_with_another_body_is_refused(self, store: Log) -> None:
        """I3"""
        await store.commit(unit(fact("ISSUE_APPROVED"), idempotency=Idempotency("k", b"one")))
        with pytest.raises(IdempotencyReuse):
            await store.commit(unit(fact("ISSUE_APPROVED"), idempotency=Idempotency("k", b"two")))

    async def test_a_key_is_forgotten_after_its_day(self, store: Log, clock: ManualClock) -> None:
        await store.commit(unit(fact("ISSUE_APPROVED"), idempotency=Idempotency("k", b"one")))
        clock.advance(24 * 3600 + 1)
        again = await store.commit(unit(fact("ISSUE_APPROVED", 2), idempotency=Idempotency("k", b"two")))
        assert not again.replayed

    async def test_claims_hand_out_by_priority_then_age(self, store: Log) -> None:
        """R0-27"""
        for number, priority in ((1, "low"), (2, "normal"), (3, "critical"), (4, "normal"), (5, "high")):
            await store.commit(unit(fact("ISSUE_APPROVED", number, priority=priority)))
        claims = await asyncio.gather(*(store.claim(claim(f"a{i}", f"l{i}", f"ir-0000000{i}")) for i in range(6)))
        assert [c.events[-1].stream if c else None for c in claims] == [
            "acme/app#3",
            "acme/app#5",
            "acme/app#2",
            "acme/app#4",
            "acme/app#1",
            None,
        ]

    async def test_claims_see_what_came_before_them_in_their_batch(self, store: Log) -> None:
        approved, claimed = await asyncio.gather(store.commit(unit(fact("ISSUE_APPROVED"))), store.claim(claim()))
        assert approved.events[0].sequence == 1
        assert claimed is not None

    async def test_every_live_lease_is_on_another_issue_and_fences_grow(self, store: Log) -> None:
        """I8, I9"""
        await store.commit(unit(*(fact("ISSUE_APPROVED", n) for n in range(1, 21))))
        claims = await asyncio.gather(*(store.claim(claim(f"a{i}", f"l{i}", f"ir-{i:08x}")) for i in range(30)))
        handed = [c.events[-1].stream for c in claims if c]
        assert len(handed) == len(set(handed)) == 20
        await store.commit(unit(fact("ISSUE_UNASSIGNED", 1)))
        again = await store.claim(claim("late", "l-late"))
        assert again is not None
        lease = store.get(LEASES, TENANT, "l-late")
        assert lease is not None
        assert lease.fence == 2

    async def test_a_job_id_that_is_taken_is_drawn_again(self, store: Log) -> None:
        await store.commit(unit(*(fact("ISSUE_APPROVED", n) for n in range(1, 5))))
        claims = await asyncio.gather(*(store.claim(claim(f"a{i}", f"l{i}", "ir-00000001")) for i in range(3)))
        late = await store.claim(claim("late", "l-late", "ir-00000001"))
        jobs = [event.stream for c in (*claims, late) if c for event in c.events if event.type == "job_created"]
        assert len(jobs) == len(set(jobs)) == 4
        rows = [store.get(ISSUES, TENANT, f"acme/app#{n}") for n in range(1, 5)]
        assert [row.job for row in rows if row is not None] == jobs

    async def test_a_stale_fence_is_refused_and_stores_nothing(self, store: Log) -> None:
        """I9"""
        await store.commit(unit(fact("ISSUE_APPROVED")))
        await store.claim(claim())
        started = unit(fact("WORK_STARTED", agentId="a-1"), fences=(("l-1", 1),))
        await store.commit(started)
        await store.commit(unit(fact("ISSUE_UNASSIGNED")))
        with pytest.raises(StaleLease):
            await store.commit(unit(fact("ISSUE_DONE"), fences=(("l-1", 1),)))
        with pytest.raises(StaleLease):
            await store.commit(unit(fact("ISSUE_DONE"), fences=(("l-unknown", 1),)))
        row = store.get(ISSUES, TENANT, "acme/app#1")
        assert row is not None
        assert row.state == "queued"

    async def test_an_illegal_event_is_stored_and_marked(self, store: Log) -> None:
        done = await store.commit(unit(fact("ISSUE_APPROVED"), fact("ISSUE_DONE"), fact("WORK_STARTED", agentId="a")))
        marks = [
            key for key, _ in await store.read(lambda s: s.page(Query(UNAPPLIED, TENANT, (("stream", "=", "acme/app#1"),))))
        ]
        assert marks == [f"{done.events[2].sequence:016d}"]
        row = store.get(ISSUES, TENANT, "acme/app#1")
        assert row is not None
        assert (row.state, row.version) == ("done", 3)

    async def test_blocked_issues_wait_until_every_blocker_is_done(self, store: Log) -> None:
        """R0-30"""
        await store.commit(unit(fact("ISSUE_APPROVED", 1, dependsOn=[2, "acme/app#3"]), fact("ISSUE_APPROVED", 2)))
        queued = store.get(QUEUE, TENANT, "acme/app#1")
        assert queued is not None
        assert queued.open_deps == 2
        await store.commit(unit(fact("ISSUE_DONE", 2)))
        assert await store.claim(claim()) is None
        await store.commit(unit(fact("ISSUE_APPROVED", 3), fact("ISSUE_DONE", 3)))
        handed = await store.claim(claim())
        assert handed is not None
        assert handed.events[-1].stream == "acme/app#1"

    async def test_timers_are_set_moved_and_fired_once(self, store: Log, clock: ManualClock) -> None:
        due = clock.now() + 5_000_000
        await store.commit(unit(timers=(Timer("retry:x", due), Timer("retry:y", due + 1))))
        await store.commit(unit(timers=(Timer("retry:x", due + 10), Timer("retry:y", None))))
        with store.snapshot() as snapshot:
            assert snapshot.next_due() == due + 10
            assert snapshot.timers(due + 10, 5) == [(TENANT, Timer("retry:x", due + 10))]
            assert snapshot.timers(due, 5) == []
        fired = unit(fact("ISSUE_APPROVED"), timers_fired=(Timer("retry:x", due + 10),))
        await store.commit(fired)
        with pytest.raises(VersionConflict):
            await store.commit(fired)

    async def test_cursors_move_by_compare_and_set(self, store: Log) -> None:
        await store.commit(unit(cursors=(Cursor("triggers", 0, 3),)))
        with pytest.raises(VersionConflict):
            await store.commit(unit(fact("ISSUE_APPROVED"), cursors=(Cursor("triggers", 0, 4),)))
        with store.snapshot() as snapshot:
            assert snapshot.cursor("triggers") == 3
            assert snapshot.position == 0

    async def test_listeners_get_every_batch_after_the_ack_in_order(self, store: Log) -> None:
        seen: list[int] = []
        stop = store.listen(lambda batch: seen.extend(e.position for e in batch.events))
        await asyncio.gather(*(store.commit(unit(fact("ISSUE_APPROVED", n))) for n in range(1, 30)))
        assert seen == list(range(1, 30))
        stop()
        await store.commit(unit(fact("ISSUE_APPROVED", 99)))
        assert len(seen) == 29

    async def test_the_tail_goes_from_history_to_news_without_gap_or_repeat(self, store: Log) -> None:
        """I4"""
        await store.commit(unit(*(fact("ISSUE_APPROVED", n) for n in range(1, 6))))
        seen: list[int] = []

        async def follow() -> None:
            async for page in store.tail(2):
                seen.extend(e.position for e in page)
                if seen[-1] == 30:
                    return

        follower = asyncio.create_task(follow())
        for n in range(6, 31):
            await store.commit(unit(fact("ISSUE_APPROVED", n)))
        await asyncio.wait_for(follower, 5)
        assert seen == list(range(3, 31))

    async def test_lists_filter_sort_and_page_in_a_total_order(self, store: Log) -> None:
        await store.commit(unit(*(fact("ISSUE_APPROVED", n) for n in (3, 1, 2)), fact("ISSUE_DONE", 2)))
        query = Query(ISSUES, TENANT, order=("repo", "number"), limit=2)

        def read(snapshot: Any) -> Any:
            queued = Query(ISSUES, TENANT, (("state", "in", ("queued",)),), ("-number",))
            return (
                [k for k, _ in snapshot.page(query)],
                [k for k, _ in snapshot.page(queued)],
                snapshot.count(queued),
                snapshot.as_of(TENANT),
            )

        assert await store.read(read) == (
            ["acme/app#1", "acme/app#2"],
            ["acme/app#3", "acme/app#1"],
            2,
            4,
        )

    @pytest.mark.parametrize(
        "order", [("repo", "number"), ("-repo", "-number"), ("state", "-repo"), ("-state",), ("pr_number",)]
    )
    @pytest.mark.parametrize("states", [(), ("done",), ("queued", "in_progress", "done", "failed")])
    async def test_the_pages_of_a_list_are_the_list(self, store: Log, order: tuple[str, ...], states: tuple[str, ...]) -> None:
        """Rows that are equal by all of the order come by key, in the direction of its last column."""
        await store.commit(unit(*(fact("ISSUE_APPROVED", n) for n in range(1, 13))))
        await store.commit(unit(*(fact("WORK_STARTED", n, agentId="a") for n in (2, 3, 5, 7, 11))))
        await store.commit(unit(*(fact("ISSUE_DONE", n) for n in (3, 11, 12)), fact("ESCALATED", 7)))
        where: Where = (("state", "in", states),) if states else ()

        def read(snapshot: Any) -> Any:
            rows = [row for _, row in snapshot.page(Query(ISSUES, TENANT))]
            pages = [snapshot.page(Query(ISSUES, TENANT, where, order, 2, offset)) for offset in range(0, 14, 2)]
            return rows, [key for page in pages for key, _ in page]

        rows, paged = await store.read(read)
        rows = [row for row in rows if not states or row.state in states]
        rows.sort(key=lambda row: row.stream, reverse=order[-1].startswith("-"))
        for column in reversed(order):
            rows.sort(key=lambda row: getattr(row, column.removeprefix("-")) or 0, reverse=column.startswith("-"))
        assert paged == [row.stream for row in rows]

    async def test_rows_are_found_by_their_keys(self, store: Log) -> None:
        names = ["acme/app#1", 'a"\\\u2028#2', "acme/app#3"]
        await store.commit(unit(*(NewEvent(name, "issue_approved", encode({"title": f"\U0001f600 {name}"})) for name in names)))

        def read(snapshot: Any) -> Any:
            return [snapshot.found(ISSUES, TENANT, keys) for keys in ([*names[1:], "acme/app#4"], [])]

        some, none = await store.read(read)
        assert {key: row.title for key, row in some.items()} == {name: f"\U0001f600 {name}" for name in names[1:]}
        assert none == {}

    async def test_totals_are_exact_by_group_and_filter(self, store: Log) -> None:
        def usage(agent: str, number: int, counted: int) -> NewEvent:
            body = {"agentId": agent, "model": "m", "repo": "acme/app", "issueNumber": number, "inputTokens": 10**10}
            meta = {"cost": {"counted": counted, "rule": "unpriced"}}
            return NewEvent(f"acme/app#{number}", "token_usage", encode(body), encode(meta))

        huge = 999_999 * 10**12 + 999_999_999_999
        await store.commit(unit(*(usage("a", 1, huge) for _ in range(20)), usage("b", 1, 1), usage("b", 2, 2)))

        def read(snapshot: Any) -> Any:
            by_agent = snapshot.totals(Query(USAGE, TENANT), ("agent",))
            one = snapshot.totals(
                Query(USAGE, TENANT, (("issue", "=", "acme/app#1"), ("agent", "=", "b"))), ("agent", "category")
            )
            rolled = snapshot.totals(Query(SPEND_BY_CATEGORY, TENANT), ("category",))
            none = snapshot.totals(Query(USAGE, TENANT, (("agent", "=", "c"),)), ("agent",))
            return {r[0]: spent(r[1:]).cost for r in by_agent}, one[0][:2], spent(one[0][2:]), spent(rolled[0][1:]), none

        by_agent, group, one, rolled, none = await store.read(read)
        assert by_agent == {"a": 20 * huge, "b": 3}
        assert (group, one.cost, one.lines) == (("b", "work"), 1, 1)
        assert (rolled.cost, rolled.lines, rolled.unpriced) == (20 * huge + 3, 22, 22)
        assert rolled.input == 22 * 10**10
        assert none == []

    async def test_running_totals_tell_how_much_they_grew_since_an_instant(self, store: Log, clock: ManualClock) -> None:
        """R0-53"""

        def usage(agent: str, counted: int, **more: str) -> NewEvent:
            meta = {"cost": {"counted": counted, "rule": "reported"}}
            body = {"agentId": agent, "model": "m", "inputTokens": 1, **more}
            return NewEvent(agent, "token_usage", encode(body), encode(meta))

        huge = 999_999 * 10**12 + 999_999_999_999
        await store.commit(unit(usage("a", huge), usage("a", huge)))
        clock.advance(1)
        instant = clock.now()
        await store.commit(unit(usage("a", 5), usage("b", 7), usage("b", huge, tenantId="x"), usage("b", 1, repo="acme/app")))
        await store.commit(unit(usage("a", huge), tenant="other"))

        def grown(since: int) -> Any:
            def read(snapshot: Any) -> Any:
                found = snapshot.totals(Query(SPEND_BY_REPO, TENANT), ("agent",), Since(USAGE, "repo_", since))
                assert all(type(value) is int for record in found for value in record[1:])
                assert len(found) == 2  # a group of several totals is one record
                return {record[0]: (spent(record[1:]).cost, spent(record[1:]).lines) for record in found}

            return store.read(read)

        assert await grown(0) == {"a": (2 * huge + 5, 3), "b": (huge + 8, 3)}
        assert await grown(instant) == {"a": (5, 1), "b": (huge + 8, 3)}
        assert await grown(instant + 1) == {"a": (0, 0), "b": (0, 0)}

    @pytest.mark.parametrize("fields", [{"title": "a\0b"}, {"agentId": "\0", "title": "\\\\u0000"}])
    async def test_nul_is_refused_by_every_store(self, store: Log, fields: dict[str, str]) -> None:
        """Not every database can keep it, and read models must be alike."""
        body = encode({"repo": "acme/app", "issueNumber": 1, **fields})
        with pytest.raises(BadRequest):
            await store.commit(unit(NewEvent("acme/app#1", "issue_approved", body)))
        with pytest.raises(BadRequest):
            await store.commit(unit(NewEvent("acme/app\0#1", "issue_approved", b"{}")))
        spelled = await store.commit(unit(fact("ISSUE_APPROVED", title="\\u0000 and \\\\u0000")))
        assert spelled.events[0].position == 1

    async def test_a_number_over_64_bits_fails_alone(self, store: Log) -> None:
        results = await asyncio.gather(
            store.commit(unit(fact("ISSUE_APPROVED", 1))),
            store.commit(unit(fact("ISSUE_APPROVED", 2), timers=(Timer("retry:x", 2**63),))),
            store.commit(unit(fact("ISSUE_APPROVED", 3))),
            return_exceptions=True,
        )
        assert [isinstance(r, Exception) for r in results] == [False, True, False], results
        assert (await store.commit(unit(fact("ISSUE_APPROVED", 4)))).events[0].position == 3

    async def test_texts_come_in_the_order_of_their_code_points(self, store: Log) -> None:
        names = ["a", "B", "ä", "Z", "z", "_", "\uffff", "\U0001f600", "aa", "a-b", "a b"]
        streams = [f"acme/{name}#1" for name in names]
        await store.commit(unit(*(NewEvent(stream, "issue_approved", b"{}") for stream in streams)))
        found = await store.read(lambda snapshot: [key for key, _ in snapshot.page(Query(ISSUES, TENANT))])
        assert found == sorted(streams)

    async def test_a_cancelled_caller_does_not_cancel_the_commit(self, store: Log) -> None:
        task = asyncio.create_task(store.commit(unit(fact("ISSUE_APPROVED"))))
        await asyncio.sleep(0)
        task.cancel()
        await store.commit(unit(fact("ISSUE_APPROVED", 2)))
        assert store.get(ISSUES, TENANT, "acme/app#1") is not None

    async def test_time_never_goes_back_in_the_log(self, store: Log, clock: ManualClock) -> None:
        """I10"""
        first = await store.commit(unit(fact("ISSUE_APPROVED")))
        clock.advance(-7200)
        second = await store.commit(unit(fact("ISSUE_APPROVED", 2)))
        assert second.at >= first.at
