"""The guard: deadlines, containment, strikes, quarantine, copies (I30, F15)."""

import asyncio
import contextvars
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from rig.errors import BadSignature, Busy, PluginError
from rig.plugin.contexts import Fault
from rig.plugin.guard import FLOOD, STRIKES, WIDTH, Guard, handed
from rig.quota import RATE, WRITING


async def _call(guard: Guard, function: Any, *args: Any, deadline: float | None = 0.5, **rest: Any) -> Any:
    return await guard.call("thing.do", function, *args, deadline=deadline, **rest)


async def test_synchronous_code_runs_off_the_loop_and_asynchronous_code_on_it() -> None:
    guard = Guard("p")

    async def here() -> int:
        return threading.get_ident()

    assert await _call(guard, threading.get_ident) != threading.get_ident()
    assert await _call(guard, here) == threading.get_ident()
    assert (guard.calls, guard.strikes, guard.last_error) == (2, 0, None)


async def test_a_function_that_returns_an_awaitable_is_awaited() -> None:
    async def answer() -> int:
        return 7

    assert await _call(Guard("p"), lambda: answer()) == 7


async def test_context_variables_reach_the_plugin() -> None:
    trace = contextvars.ContextVar("trace", default="none")
    trace.set("abc")
    assert await _call(Guard("p"), trace.get) == "abc"


@pytest.mark.parametrize(
    "error", [ValueError("secret text"), SystemExit(1), KeyboardInterrupt(), TimeoutError(), BaseException()]
)
@pytest.mark.parametrize("asynchronous", [True, False])
async def test_whatever_is_raised_becomes_one_error_and_one_record(error: BaseException, asynchronous: bool) -> None:
    faults: list[Fault] = []
    guard = Guard("p", on_fault=faults.append)

    def fail() -> None:
        raise error

    async def afail() -> None:
        raise error

    with pytest.raises(PluginError) as caught:
        await _call(guard, afail if asynchronous else fail)
    assert str(caught.value) == f"plugin p failed in thing.do: {type(error).__name__}"
    assert [(f.plugin, f.what, f.strikes, f.quarantined) for f in faults] == [("p", "thing.do", 1, False)]
    assert faults[0].error.startswith(type(error).__name__)


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_an_iterator_that_is_empty_is_a_fault_and_holds_up_nobody(asynchronous: bool) -> None:
    """``next(…)`` of an empty iterator, which no future can hold."""
    guard = Guard("p")

    def first() -> object:
        return next(iter(()))

    async def afirst() -> object:
        return first()

    with pytest.raises(PluginError):
        await asyncio.wait_for(guard.call("x", afirst if asynchronous else first, deadline=None), 5)
    assert str(guard.last_error).startswith("x: RuntimeError: ")
    with pytest.raises(PluginError):
        guard.call_blocking("x", first, deadline=5)
    assert guard.last_error == "x: RuntimeError: raised StopIteration"


async def test_an_answer_that_is_an_error_of_rig_passes_through_without_a_strike() -> None:
    guard = Guard("p")

    def refuse() -> None:
        raise BadSignature

    for _ in range(9):
        with pytest.raises(BadSignature):
            await _call(guard, refuse)
    assert (guard.strikes, guard.quarantined) == (0, False)


@pytest.mark.parametrize("deaf", [True, False])
async def test_a_hanging_coroutine_is_given_up_at_its_deadline(deaf: bool) -> None:
    guard = Guard("p")
    release = asyncio.Event()

    async def hang() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                if not deaf:
                    raise

    began = time.monotonic()
    with pytest.raises(PluginError):
        await _call(guard, hang, deadline=0.05)
    assert time.monotonic() - began < 5
    assert guard.last_error == "thing.do: timeout after 0.05 s"
    release.set()
    await asyncio.sleep(0)


async def test_hanging_threads_of_one_plugin_do_not_hold_up_another() -> None:
    bad, good = Guard("bad", strikes=99), Guard("good")
    release = threading.Event()
    try:
        calls = [_call(bad, release.wait, 20, deadline=0.05) for _ in range(12)]
        errors = [type(r) for r in await asyncio.gather(*calls, return_exceptions=True)]
        assert errors == [PluginError] * WIDTH + [Busy] * (12 - WIDTH)
        assert sum(t.name == "plugin-Event.wait" for t in threading.enumerate()) <= WIDTH
        assert await _call(good, lambda: "fine") == "fine"
    finally:
        release.set()


async def test_waiting_for_its_turn_is_no_fault_of_a_plugin() -> None:
    guard = Guard("p", strikes=1)
    calls = [_call(guard, threading.Event().wait, 0.2, deadline=0.35) for _ in range(2 * WIDTH)]  # the last end after 0.4 s
    assert await asyncio.gather(*calls) == [False] * 2 * WIDTH
    assert guard.last_error is None


async def test_enough_strikes_quarantine_the_plugin_and_it_is_called_no_more() -> None:
    faults: list[Fault] = []
    guard = Guard("p", strikes=3, on_fault=faults.append)
    calls = 0

    def fail() -> None:
        nonlocal calls
        calls += 1
        raise ValueError

    for _ in range(5):
        with pytest.raises(PluginError):
            await _call(guard, fail)
    assert calls == 3
    assert [f.quarantined for f in faults] == [False, False, True]
    with pytest.raises(PluginError, match="quarantined after 3 faults"):
        guard.call_blocking("x", fail, deadline=1)


def test_a_plugin_that_hangs_is_quarantined_before_its_threads_are_used_up() -> None:
    assert STRIKES < WIDTH


async def test_a_good_call_takes_a_strike_away() -> None:
    guard = Guard("p", strikes=2)
    for _ in range(5):
        with pytest.raises(PluginError):
            await _call(guard, lambda: 1 // 0)
        await _call(guard, lambda: 1)
    assert (guard.strikes, guard.quarantined) == (0, False)


async def test_an_answer_of_the_wrong_type_is_a_fault() -> None:
    guard = Guard("p")
    with pytest.raises(PluginError):
        await _call(guard, lambda: "seven", expect=int)
    assert guard.last_error == "thing.do: answered with str"


async def test_a_cancelled_caller_ends_the_call() -> None:
    ended = asyncio.Event()

    async def session() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)  # putting things away
            ended.set()

    task = asyncio.create_task(_call(Guard("p"), session, deadline=None))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_an_asyncio_timeout_inside_the_plugin_is_its_own_affair() -> None:
    guard = Guard("p")

    async def impatient() -> None:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()

    with pytest.raises(PluginError):
        await _call(guard, impatient)
    assert guard.last_error == "thing.do: TimeoutError"
    assert await _call(guard, lambda: 1) == 1


async def test_a_session_is_not_timed() -> None:
    guard = Guard("p")

    async def session() -> None:
        await asyncio.sleep(0.02)

    await _call(guard, session, deadline=None)
    assert (guard.calls, guard.ms_per_call) == (1, 0.0)
    await _call(guard, session)
    assert guard.ms_per_call >= 20


def test_a_blocking_call_has_a_deadline_and_contains_what_is_raised() -> None:
    guard = Guard("p")
    assert guard.call_blocking("x", lambda: 3, deadline=1) == 3
    with pytest.raises(PluginError):
        guard.call_blocking("x", threading.Event().wait, 20, deadline=0.05)
    assert guard.last_error == "x: timeout after 0.05 s"

    def leave() -> None:
        raise SystemExit(4)

    with pytest.raises(PluginError):
        guard.call_blocking("x", leave, deadline=1)
    assert guard.last_error == "x: SystemExit: 4"


@dataclass(frozen=True)
class _Context:
    names: list[str]
    call: Any = None
    derived: dict[str, int] = field(init=False, default_factory=dict)


async def test_a_plugin_changes_only_its_own_copy() -> None:
    names, event, context = ["a"], {"labels": ["x"]}, _Context(["a"])

    def vandal(names: list[str], event: dict[str, Any], context: _Context) -> None:
        names.clear()
        event["labels"].append("evil")
        context.names.clear()

    await _call(Guard("p"), vandal, names, event, context)
    assert (names, event, context.names) == (["a"], {"labels": ["x"]}, ["a"])


def test_what_is_not_a_container_is_handed_over_as_it_is() -> None:
    context = _Context([], call=threading.Event().set)
    assert handed(context).call is context.call
    assert handed(b"x") == b"x"
    assert handed({1, 2}) == {1, 2}


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_call_that_floods_the_log_is_a_strike_and_its_answer_stands(asynchronous: bool) -> None:
    def flood() -> int:
        quota = WRITING.get()
        assert quota is not None
        for _ in range(RATE + FLOOD + 1):
            quota.admits(0.0)
        return 7

    async def later() -> int:
        return flood()

    guard = Guard("p")
    assert await _call(guard, later if asynchronous else flood) == 7
    assert WRITING.get() is None
    assert (guard.strikes, guard.last_error) == (1, f"thing.do: {FLOOD + 1} log records at once")
    assert await _call(guard, int) == 0
    assert guard.strikes == 0
    assert guard.call_blocking("thing.do", flood, deadline=5) == 7
    assert guard.strikes == 1


async def test_a_closed_guard_does_not_wait_for_a_thread_that_never_ends() -> None:
    guard, end = Guard("p"), threading.Event()
    task = guard.start("thing.do", end.wait)
    await asyncio.sleep(0.05)
    task.cancel()
    assert await asyncio.wait({task}, timeout=0.1) == (set(), {task})
    guard.close()
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=5)
    assert done
    assert task.cancelled()
    end.set()
