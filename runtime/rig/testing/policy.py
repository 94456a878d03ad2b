"""The suites of the before and after hooks: what a plugin says to what is about to happen, and hears of what has happened."""

import asyncio
import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any
from unittest import SkipTest

from rig.plugin.happenings import AFTER_SECONDS, BEFORE_SECONDS
from rig.plugin.hookspecs import HOOKS
from rig.plugin.moments import (
    AttentionContext,
    CompletionContext,
    DispatchContext,
    Reply,
    RunChanges,
    RunContext,
    RunEndedContext,
    TransitionContext,
    Veto,
)
from rig.testing import hostile
from rig.testing.calls import Outcome, attempt, ends_when_cancelled
from rig.testing.suite import Suite, check, must

AT_ONCE = 30

DISPATCH = DispatchContext(
    issue="acme/shop#42",
    title="Add a cart",
    labels=("bug",),
    priority="normal",
    attempt=1,
    agent="slot-1",
    provider="mock",
    model=None,
)
_RUN = {f.name: getattr(DISPATCH, f.name) for f in fields(DISPATCH)} | {"execution": "e-1", "job": "ir-0123abcd"}
RUN = RunContext(**_RUN)
RUN_ENDED = RunEndedContext(**_RUN, outcome="failed", reason="exit 1", turns=3)
COMPLETION = CompletionContext(
    issue="acme/shop#42",
    title="Add a cart",
    labels=("bug",),
    agent="slot-1",
    to="in_review",
    branch=None,
    commit=None,
    result="Done.",
)
TRANSITION = TransitionContext(
    issue="acme/shop#42",
    before="queued",
    after="assigned",
    event="issue_assigned",
    sequence=7,
    at="2026-01-02T03:04:05.678Z",
    agent="slot-1",
    reason=None,
)
ATTENTION = AttentionContext(
    id="q-1", kind="question", subject="acme/shop#42", question="May I run the tests?", options=("approve", "deny")
)

MOMENTS: Mapping[str, tuple[Any, tuple[type[Any], ...]]] = MappingProxyType(
    {
        "rig_before_dispatch": (DISPATCH, (Veto,)),
        "rig_after_dispatch": (DISPATCH, ()),
        "rig_before_run": (RUN, (RunChanges, Veto)),
        "rig_after_run": (RUN_ENDED, ()),
        "rig_before_transition": (COMPLETION, (Veto,)),
        "rig_after_transition": (TRANSITION, ()),
        "rig_before_attention": (ATTENTION, (Reply,)),
        "rig_after_attention": (ATTENTION, ()),
    }
)
"""Hook to what it is told in an ordinary case, and what it may answer besides nothing."""

assert set(MOMENTS) == {hook for hook in HOOKS if not hook.startswith("rig_register_")}


class _Moments(Suite):
    async def warm(self) -> None:
        for hook, call in self._calls():
            await attempt(call, MOMENTS[hook][0], seconds=BEFORE_SECONDS)

    def _calls(self) -> list[tuple[str, Callable[[Any], Any]]]:
        """(hook, what calls it with a context) of every hook that the plugin implements."""
        subject = self.subject()
        config = subject.loaded.config

        def bound(function: Callable[..., Any], arity: int) -> Callable[[Any], Any]:
            if asyncio.iscoroutinefunction(function):

                async def awaited(context: Any) -> Any:
                    return await function(*(replace(context, config=config),)[:arity])

                return awaited
            return lambda context: function(*(replace(context, config=config),)[:arity])

        return [(hook, bound(*found)) for hook in MOMENTS if (found := subject.implementation(hook)) is not None]

    def _implemented(self) -> list[tuple[str, Callable[[Any], Any]]]:
        if not (found := self._calls()):
            raise SkipTest("it implements no before or after hook")
        return found

    async def _hears(self, hook: str, call: Callable[[Any], Any], context: Any) -> Outcome:
        seconds = BEFORE_SECONDS if hook.startswith("rig_before_") else AFTER_SECONDS
        outcome = await attempt(call, context, seconds=seconds)
        must(not outcome.late, f"{hook}: no end within {seconds:g} s")
        must(outcome.error is None, f"{hook}: raised {outcome.error!r}; what is none of its business is None")
        must_be_an_answer(hook, outcome.answer)
        return outcome


class PolicyContract(_Moments):
    """What Rig expects of before and after hooks."""

    @check
    async def test_it_implements_a_hook(self) -> None:
        must(self._calls(), "it implements no before or after hook")

    @check
    async def test_an_ordinary_moment_is_answered_in_time(self) -> None:
        for hook, call in self._implemented():
            await self._hears(hook, call, MOMENTS[hook][0])

    @check
    async def test_the_same_moment_is_answered_alike(self) -> None:
        for hook, call in self._implemented():
            first, second = [await self._hears(hook, call, MOMENTS[hook][0]) for _ in range(2)]
            must(type(first.answer) is type(second.answer), f"{hook}: {first.answer!r}, and then {second.answer!r}")

    @check
    async def test_what_it_is_told_stays_as_it_is(self) -> None:
        for hook, call in self._implemented():
            context = copy.deepcopy(MOMENTS[hook][0])
            await self._hears(hook, call, context)
            must(context == MOMENTS[hook][0], f"{hook}: it changes what it is told")


class PolicyFaults(_Moments):
    """What before and after hooks meet on bad days."""

    @check
    async def test_hostile_texts_are_heard(self) -> None:
        for hook, call in self._implemented():
            for text in hostile.STORED:
                await self._hears(hook, call, told(MOMENTS[hook][0], text))

    @check
    async def test_what_is_not_known_is_heard(self) -> None:
        for hook, call in self._implemented():
            context = MOMENTS[hook][0]
            unknown = {f.name: None for f in fields(context) if "None" in str(f.type)}
            await self._hears(hook, call, replace(context, **unknown))

    @check
    async def test_a_hook_that_is_cut_off_ends_at_once(self) -> None:
        for hook, call in self._implemented():
            for after in (0.0, 0.05):
                await ends_when_cancelled(hook, call, MOMENTS[hook][0], after=after)

    @check
    async def test_many_moments_at_once_are_all_heard(self) -> None:
        for hook, call in self._implemented():
            await asyncio.gather(*(self._hears(hook, call, MOMENTS[hook][0]) for _ in range(AT_ONCE)))


def told(context: Any, text: str) -> Any:
    """A context with a text in every place of strangers' words."""
    strange: Sequence[str] = ("title", "question", "result", "reason", "branch", "commit", "labels", "options")
    named = {f.name for f in fields(context)}
    return replace(context, **{n: (text,) if n in ("labels", "options") else text for n in strange if n in named})


def must_be_an_answer(hook: str, answer: Any) -> None:
    """Fail unless an answer is one that the hook may give."""
    if answer is None:
        return
    allowed = MOMENTS[hook][1]
    if not allowed:
        raise AssertionError(f"{hook}: answered {answer!r:.80}, and nobody listens: an after hook answers None")
    names = " or ".join(kind.__name__ for kind in allowed)
    must(isinstance(answer, allowed), f"{hook}: answered with {type(answer).__name__}, not {names} or None")
    if isinstance(answer, Veto):
        must(isinstance(answer.reason, str) and answer.reason.strip(), f"{hook}: a veto without a reason")
        must(math.isfinite(answer.seconds) and answer.seconds > 0, f"{hook}: a veto for {answer.seconds!r} seconds")
    if isinstance(answer, RunChanges):
        texts = [*answer.environment, *answer.environment.values(), answer.note]
        must(all(isinstance(text, str) and "\0" not in text for text in texts), f"{hook}: changes that are no texts")
    if isinstance(answer, Reply):
        must(isinstance(answer.answer, str) and answer.answer, f"{hook}: an empty reply")
