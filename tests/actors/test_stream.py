"""Turns: whatever goes wrong in one, the next message is decided on the truth."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from rig.actors.system import Fault, System
from rig.errors import ActorFault, Conflict, IdempotencyReuse, OutcomeUnknown, StaleLease, StorageUnavailable, VersionConflict
from rig.model.call import Call
from rig.model.decide.base import Context
from rig.model.tables import ISSUES
from rig.store.units import Committed, Cursor, Outcome, Unit
from tests.actors.fakes import CALL, ISSUE, Break, Count, HeldStore, counted, keyed, number


def ask(system: System, command: Any = Count(), call: Call = CALL, **more: Any) -> "asyncio.Task[Committed]":  # noqa: B008
    return asyncio.ensure_future(system.ask("issue", call, ISSUE, command, **more))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0)


async def in_flight(store: HeldStore, turns: int = 1) -> None:
    await until(lambda: len(store.turns) == turns)


async def failed(awaitable: Awaitable[Any]) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011  # the caller looks at it
        await awaitable
    return caught.value


async def test_messages_of_one_turn_share_a_group_commit_and_build_on_each_other(system: System, store: HeldStore) -> None:
    await asyncio.gather(*(ask(system, Count(only_from=n)) for n in range(20)))
    assert [len(units) for units in store.turns] == [20]
    assert [unit.expect[ISSUE] for unit in store.turns[0]] == list(range(20))
    assert store.count() == 20


async def test_messages_that_come_during_a_commit_are_the_next_turn(system: System, store: HeldStore) -> None:
    store.open.clear()
    first = ask(system)
    await in_flight(store)
    others = [ask(system) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert len(store.turns) == 1
    store.open.set()
    await asyncio.gather(first, *others)
    assert [len(units) for units in store.turns] == [1, 3]


async def test_nothing_is_answered_before_its_commit(system: System, store: HeldStore) -> None:
    store.open.clear()
    good, refused = ask(system), ask(system, Count(only_from=7))
    await in_flight(store)
    await asyncio.sleep(0.01)
    assert not good.done()
    assert not refused.done()  # it was refused on a state that may never come to be
    store.open.set()
    await good
    assert isinstance(await failed(refused), Conflict)


async def test_a_cancelled_caller_does_not_cancel_the_commit(system: System, store: HeldStore) -> None:
    store.open.clear()
    gone, stays = ask(system), ask(system)
    await in_flight(store)
    gone.cancel()
    await asyncio.sleep(0)
    assert gone.cancelled()
    store.open.set()
    await stays
    assert store.count() == 2
    await ask(system, Count(only_from=2))


async def test_a_failed_commit_in_the_middle_of_a_turn_fails_what_was_decided_after_it(
    system: System, store: HeldStore
) -> None:
    def lose_lease(units: Sequence[Unit]) -> Sequence[Unit]:
        store.spoil = lambda units: units
        return [units[0], replace(units[1], fences=(("gone", 1),)), *units[2:]]

    store.spoil = lose_lease
    results = await asyncio.gather(*(ask(system) for _ in range(4)), return_exceptions=True)
    assert [type(r) for r in results] == [Committed, StaleLease, Committed, Committed]
    assert [len(units) for units in store.turns] == [4, 2]  # the last two were decided again
    assert store.count() == 3
    await ask(system, Count(only_from=3))


async def test_any_number_of_failures_in_a_turn_leaves_the_others_their_success(system: System, store: HeldStore) -> None:
    lost = {f"k{n}" for n in range(1, 40, 2)}

    def lose_leases(units: Sequence[Unit]) -> Sequence[Unit]:
        return [replace(u, fences=(("gone", 1),)) if u.idempotency and u.idempotency.scope in lost else u for u in units]

    store.spoil = lose_leases
    results = await asyncio.gather(*(ask(system, call=keyed(f"k{n}")) for n in range(40)), return_exceptions=True)
    assert [type(r) for r in results] == [Committed, StaleLease] * 20
    assert store.count() == 20


async def test_a_burst_of_repeats_takes_two_turns(system: System, store: HeldStore) -> None:
    await asyncio.gather(*(ask(system, call=keyed(f"k{n}")) for n in range(40)))
    results = await asyncio.gather(*(ask(system, call=keyed(f"k{n}")) for n in range(40)), ask(system))
    assert [r.replayed for r in results] == [True] * 40 + [False]
    assert [len(units) for units in store.turns] == [40, 41, 1]
    assert store.count() == 41


async def test_a_refusal_on_a_state_that_never_came_to_be_is_decided_again(system: System, store: HeldStore) -> None:
    def lose_lease(units: Sequence[Unit]) -> Sequence[Unit]:
        store.spoil = lambda units: units
        return [replace(units[0], fences=(("gone", 1),)), *units[1:]]

    store.spoil = lose_lease
    lost, refused_at_first = ask(system), ask(system, Count(only_from=0))
    assert isinstance(await failed(lost), StaleLease)
    await refused_at_first
    assert store.count() == 1


async def test_a_foreign_fact_of_equal_length_does_not_make_a_later_unit_fit_by_accident(
    system: System, store: HeldStore
) -> None:
    await ask(system)
    store.open.clear()
    mine = [ask(system) for _ in range(3)]
    await in_flight(store, 2)
    await store.commit(Unit("default", (counted(10),)))  # where the second unit expects the first one's event
    store.open.set()
    await asyncio.gather(*mine)
    assert store.count() == 13


async def test_a_foreign_fact_during_a_turn_makes_it_decide_again(system: System, store: HeldStore) -> None:
    await ask(system)
    store.open.clear()
    mine = [ask(system), ask(system)]
    await in_flight(store, 2)
    await store.commit(Unit("default", (counted(10),)))
    store.open.set()
    await asyncio.gather(*mine)
    assert store.count() == 12
    await ask(system, Count(only_from=12))


async def test_a_foreign_fact_that_creates_the_stream_is_no_error(system: System, store: HeldStore) -> None:
    store.open.clear()
    mine = ask(system)
    await in_flight(store)
    await store.commit(Unit("default", (counted(10),)))
    store.open.set()
    await mine
    assert store.count() == 11


async def test_a_foreign_fact_between_turns_is_seen_by_the_next_message(system: System, store: HeldStore) -> None:
    await ask(system)
    await store.commit(Unit("default", (counted(10),)))
    await ask(system, Count(only_from=10))
    assert [len(units) for units in store.turns] == [1, 1]  # seen before deciding, not by a conflict


async def test_a_foreign_fact_between_commit_and_answer_is_seen_by_the_next_message(system: System, store: HeldStore) -> None:
    store.then = Unit("default", (counted(10),))
    await ask(system)
    await ask(system)
    assert store.count() == 11
    assert [len(units) for units in store.turns] == [1, 1]  # seen before deciding, not by a conflict


async def test_a_refusal_is_checked_against_the_log(system: System, store: HeldStore) -> None:
    await ask(system)
    system._unlisten()  # as if the word of a fact were still on its way
    await store.commit(Unit("default", (counted(10),)))
    await ask(system, Count(only_from=10))


async def test_a_command_is_decided_again_at_most_five_times(system: System, store: HeldStore) -> None:
    store.spoil = lambda units: [replace(unit, expect={ISSUE: 99}) for unit in units]
    assert isinstance(await failed(ask(system)), VersionConflict)
    assert len(store.turns) == 6
    store.spoil = lambda units: units
    await ask(system, Count(only_from=0))


async def test_an_expected_version_that_is_not_the_streams_is_a_conflict(system: System, store: HeldStore) -> None:
    await ask(system, expected_version=0)
    assert isinstance(await failed(ask(system, expected_version=0)), VersionConflict)
    await ask(system, expected_version=1)


async def test_a_command_with_an_expected_version_is_never_decided_again(system: System, store: HeldStore) -> None:
    await ask(system)
    store.open.clear()
    mine = ask(system, expected_version=1)
    await in_flight(store, 2)
    await store.commit(Unit("default", (counted(10),)))
    store.open.set()
    assert isinstance(await failed(mine), VersionConflict)
    assert store.count() == 10


@pytest.mark.parametrize("error", [ValueError("x"), asyncio.CancelledError(), GeneratorExit(), BaseException("x")], ids=repr)
async def test_whatever_a_decision_raises_answers_the_asker_and_frees_the_actor(
    system: System, store: HeldStore, faults: list[Fault], error: BaseException
) -> None:
    results = await asyncio.gather(ask(system), ask(system, Break(error)), ask(system), return_exceptions=True)
    assert [type(r) for r in results] == [Committed, ActorFault, Committed]
    assert [fault.error for fault in faults] == [error]
    await ask(system, Count(only_from=2))


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
async def test_an_exit_out_of_a_decision_is_handed_to_the_service(
    system: System, store: HeldStore, exits: list[BaseException], error: BaseException
) -> None:
    assert isinstance(await failed(ask(system, Break(error))), ActorFault)
    assert exits == [error]
    await ask(system, Count(only_from=0))


async def test_a_fault_is_an_event_without_the_words_of_the_error(system: System, store: HeldStore) -> None:
    await failed(ask(system, Break(ValueError("sk-secret"))))
    await failed(ask(system, Break(ValueError("again, within a second"))))
    await until(lambda: bool(store.stream("faults")))
    (event,) = store.stream("faults")
    assert event.type == "actor_faulted"
    assert b'"error":"ValueError"' in event.body
    assert b"secret" not in event.body


@pytest.mark.parametrize(
    ("raised", "answer"),
    [
        (StorageUnavailable(), StorageUnavailable),
        (OutcomeUnknown(), OutcomeUnknown),
        (RuntimeError("a bug"), ActorFault),
        (asyncio.CancelledError(), OutcomeUnknown),
    ],
    ids=repr,
)
async def test_a_store_that_fails_answers_the_whole_turn(
    system: System, store: HeldStore, raised: BaseException, answer: type[Exception]
) -> None:
    store.fail = raised
    results = await asyncio.gather(ask(system), ask(system), return_exceptions=True)
    assert [type(r) for r in results] == [answer, answer]
    await ask(system, Count(only_from=0))


async def test_a_repeat_gets_the_first_answer_even_if_the_state_refuses_it_now(system: System, store: HeldStore) -> None:
    def outcome(committed: Committed) -> Outcome:
        return Outcome(201, str(committed.events[0].version).encode())

    first = await ask(system, Count(only_from=0), keyed("k"), outcome=outcome)
    again = await ask(system, Count(only_from=0), keyed("k"), outcome=outcome)
    assert (again.replayed, again.outcome) == (True, first.outcome)
    assert isinstance(await failed(ask(system, Count(only_from=0), keyed("k", b"2"))), IdempotencyReuse)
    assert store.count() == 1


@pytest.mark.parametrize("only_from", [None, 0])
async def test_two_at_once_with_one_key_count_once(system: System, store: HeldStore, only_from: int | None) -> None:
    results = await asyncio.gather(*(ask(system, Count(only_from), keyed("k")) for _ in range(2)), ask(system))
    assert [r.replayed for r in results] == [False, True, False]
    assert store.count() == 2


async def test_an_answer_is_made_also_without_an_idempotency_key(system: System) -> None:
    committed = await ask(system, outcome=lambda c: Outcome(200, c.events[0].body))
    assert committed.outcome == Outcome(200, b'{"branch":"1"}')


async def test_each_message_is_decided_in_its_senders_context(system: System) -> None:
    who: ContextVar[str] = ContextVar("who", default="nobody")
    seen: list[str] = []

    def look(row: Any, context: Context) -> None:
        seen.append(who.get())
        who.set("left behind")

    async def send(name: str) -> None:
        who.set(name)
        await ask(system, look)
        assert who.get() == name

    await asyncio.gather(*(asyncio.create_task(send(name)) for name in "abc"), ask(system, look))
    assert sorted(seen) == ["a", "b", "c", "nobody"]


async def test_the_state_is_the_row_of_the_log(system: System, store: HeldStore) -> None:
    seen: list[int] = []
    await ask(system)
    await ask(system, lambda row, context: seen.append(number(row)))
    assert seen == [store.count()] == [1]
    row = store.get(ISSUES, "default", ISSUE)
    assert row is not None
    assert row.version == 1


async def test_a_true_expected_version_survives_the_failure_of_the_message_before(system: System, store: HeldStore) -> None:
    def lose_lease(units: Sequence[Unit]) -> Sequence[Unit]:
        store.spoil = lambda units: units
        return [replace(units[0], fences=(("gone", 1),)), *units[1:]]

    await ask(system)
    store.spoil = lose_lease
    lost, mine = ask(system, lambda row, context: None), ask(system, expected_version=1)
    assert isinstance(await failed(lost), StaleLease)
    await mine
    assert store.count() == 2


async def test_a_reactors_cursor_moves_with_its_command(system: System, store: HeldStore) -> None:
    await ask(system, cursors=(Cursor("chains", 0, 7),))
    assert isinstance(await failed(ask(system, cursors=(Cursor("chains", 0, 7),))), VersionConflict)
    with store.snapshot() as snapshot:
        assert snapshot.cursor("chains") == 7
    assert store.count() == 1


@pytest.mark.parametrize("seed", range(8))
async def test_every_event_in_the_log_was_decided_on_the_event_before_it(system: System, store: HeldStore, seed: int) -> None:
    """Whatever fails, races or repeats: a count is the one before plus one, each success is there once, no failure is."""
    dice = random.Random(seed)

    def spoil(units: Sequence[Unit]) -> Sequence[Unit]:
        return [replace(unit, fences=(("gone", 1),)) if dice.random() < 0.1 else unit for unit in units]

    async def count(key: str) -> int | None:
        for _ in range(dice.randrange(20)):
            await asyncio.sleep(0)
        error = Break(ValueError()) if dice.random() < 0.05 else None
        only_from = dice.randrange(50) if dice.random() < 0.2 else None
        try:
            committed = await ask(system, error or Count(only_from), keyed(key))
        except (ActorFault, Conflict):
            return None
        return None if committed.replayed else committed.events[0].version

    async def fact() -> int:
        for _ in range(dice.randrange(60)):
            await asyncio.sleep(0)
        events = tuple(counted(dice.randrange(50)) for _ in range(dice.randrange(1, 4)))
        await store.commit(Unit("default", events, operation="fact"))
        return len(events)

    store.spoil = spoil
    facts = [asyncio.ensure_future(fact()) for _ in range(30)]
    counts = await asyncio.gather(*(count(str(dice.randrange(150))) for _ in range(200)))
    written = sum(await asyncio.gather(*facts))
    log = store.stream(ISSUE)
    made = [event.version for event in log if event.operation == "count"]
    assert sorted(v for v in counts if v is not None) == made
    assert len(log) == len(made) + written
    values = [0, *(int(msgspec.json.decode(event.body)["branch"]) for event in log)]
    assert all(values[v] == values[v - 1] + 1 for v in made)
    assert len(made) > 20
