"""The suites of kinds of DAG steps (``rig_register_step_kinds``)."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from unittest import SkipTest

from rig.errors import ConfigError
from rig.plugin.guard import Guard
from rig.plugin.guarded import GuardedStep
from rig.plugin.steps import StepContext, StepKind, StepResult
from rig.testing import hostile
from rig.testing.calls import Outcome, attempt, ends_when_cancelled
from rig.testing.samples import sample
from rig.testing.suite import ThingSuite, check, must

SECONDS = 10.0
AT_ONCE = 20


def step_context(params: Any = None, **changes: Any) -> StepContext:
    """The first attempt of a step with ``params``, an instance of the kind's own model."""
    return StepContext(**{"run": "run-1", "step": "a", "attempt": 1, "params": params, "deadline_seconds": 60.0, **changes})


class _Steps(ThingSuite):
    hook = "rig_register_step_kinds"
    params: Mapping[str, Any] | None = None
    """Parameters of an ordinary step; None takes the examples of the model's fields, or its defaults."""

    async def warm(self) -> None:
        for kind in self.found():
            if (context := self._context(kind)) is not None:
                await attempt(kind.run, context, seconds=SECONDS)

    def _context(self, kind: StepKind) -> StepContext | None:
        model = getattr(kind, "params", None)
        raw = self.params if self.params is not None else {} if model is None else sample(model)
        return None if raw is None else step_context(GuardedStep(kind, Guard("")).params(raw, "params"))

    def _ready(self) -> list[tuple[StepKind, StepContext]]:
        found = [(kind, context) for kind in self.things() if (context := self._context(kind)) is not None]
        if not found:
            raise SkipTest("what its parameters may be is not known: set params, or give its fields examples")
        return found


class StepKindContract(_Steps):
    """What Rig expects of a kind of step."""

    @check
    async def test_it_registers_a_kind(self) -> None:
        must(self.found(), "it registers no kind of step with this configuration")

    @check
    async def test_its_parameters_are_none_or_a_model_with_a_schema(self) -> None:
        for kind in self.things():
            model = getattr(kind, "params", None)
            if model is not None:
                must(hasattr(model, "model_validate"), f"{kind.name}: params is no pydantic model")
                json.dumps(model.model_json_schema())

    @check
    async def test_an_ordinary_step_ends_with_a_result(self) -> None:
        for kind, context in self._ready():
            outcome = await attempt(kind.run, context, seconds=SECONDS)
            must(not outcome.late, f"{kind.name}: no end within {SECONDS:g} s")
            must(outcome.error is None, f"{kind.name}: raised {outcome.error!r}")
            must_be_a_result(kind, outcome)
            must(outcome.answer.ok, f"{kind.name}: an ordinary step failed: {outcome.answer.reason}")

    @check
    async def test_a_second_attempt_is_as_good_as_the_first(self) -> None:
        for kind, context in self._ready():
            for number in (1, 2):
                again = step_context(context.params, attempt=number)
                outcome = await attempt(kind.run, again, seconds=SECONDS)
                must(outcome.error is None and not outcome.late, f"{kind.name}: attempt {number}: {outcome.error!r}")


class StepKindFaults(_Steps):
    """What a kind of step meets on bad days."""

    @check
    async def test_hostile_parameters_are_refused_or_end_with_a_result(self) -> None:
        for kind in self.things():
            model = getattr(kind, "params", None)
            base = dict(self.params or (sample(model) if model is not None else None) or {})
            for bad in hostile.VALUES:
                for raw in hostile.broken(base, bad, 2):
                    if not isinstance(raw, dict):
                        continue  # Rig itself wants an object
                    try:
                        context = step_context(GuardedStep(kind, Guard("")).params(raw, "params"))
                    except ConfigError:
                        continue
                    outcome = await attempt(kind.run, context, seconds=SECONDS)
                    must(not outcome.late, f"{kind.name}: no end within {SECONDS:g} s for {str(raw)[:80]}")
                    if outcome.error is None:
                        must_be_a_result(kind, outcome)

    @check
    async def test_a_step_that_is_cancelled_ends_at_once(self) -> None:
        for kind, context in self._ready():
            for after in (0.0, 0.05):
                await ends_when_cancelled(kind.name, kind.run, context, after=after)

    @check
    async def test_many_steps_at_once_all_end(self) -> None:
        for kind, context in self._ready():
            calls = [attempt(kind.run, step_context(context.params, step=f"s{n}"), seconds=2 * SECONDS) for n in range(AT_ONCE)]
            for outcome in await asyncio.gather(*calls):
                must(outcome.error is None and not outcome.late, f"{kind.name}: {AT_ONCE} at once: {outcome.error!r}")
                must_be_a_result(kind, outcome)


def must_be_a_result(kind: StepKind, outcome: Outcome) -> None:
    """Fail unless a step's answer can be kept."""
    answer = outcome.answer
    must(isinstance(answer, StepResult), f"{kind.name}: answered with {type(answer).__name__}, not a StepResult")
    must(answer.ok or answer.reason, f"{kind.name}: it failed without a reason")
    try:
        json.dumps(dict(answer.outputs), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"{kind.name}: its outputs are no JSON: {error}") from None
