"""The suites of operations (``rig_register_operations``)."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from unittest import SkipTest

from rig.errors import BadRequest, RigError
from rig.plugin.guard import Guard
from rig.plugin.guarded import OPERATION_SECONDS, GuardedOperation
from rig.plugin.operations import OperationRequest, PluginOperation
from rig.testing import hostile
from rig.testing.calls import Outcome, attempt, ends_when_cancelled
from rig.testing.samples import sample
from rig.testing.suite import ThingSuite, check, must

SECONDS = min(10.0, OPERATION_SECONDS)
AT_ONCE = 20


def operation_request(query: Mapping[str, str] | None = None, body: Any = None, **changes: Any) -> OperationRequest:
    """A call of the local operator; ``body`` is an instance of the operation's ``request`` model."""
    return OperationRequest(
        **{"tenant": "default", "principal": "operator", "query": dict(query or {}), "body": body, **changes}
    )


class _Operations(ThingSuite):
    hook = "rig_register_operations"
    queries: Mapping[str, Mapping[str, str]] = {}
    """By name of an operation: the query of an ordinary call; none when it is not there."""
    bodies: Mapping[str, Mapping[str, Any]] = {}
    """By name of an operation: the body of an ordinary POST; the examples of the model's fields when it is not there."""

    async def warm(self) -> None:
        for operation in self.found():
            if (ordinary := self._ordinary(operation)) is not None:
                await attempt(operation.handler, ordinary, seconds=SECONDS)

    def _ordinary(self, operation: PluginOperation) -> OperationRequest | None:
        """An ordinary call, None where the body that it needs is not known."""
        query = self.queries.get(operation.name, {})
        if operation.request is None:
            return operation_request(query)
        raw = self.bodies.get(operation.name) or sample(operation.request)
        return None if raw is None else operation_request(query, _body(operation, raw))

    def _ready(self) -> list[tuple[PluginOperation, OperationRequest]]:
        found = [(one, ordinary) for one in self.things() if (ordinary := self._ordinary(one)) is not None]
        if not found:
            raise SkipTest("what its bodies may be is not known: set bodies, or give the fields of its model examples")
        return found

    async def _answers(self, operation: PluginOperation, request: OperationRequest) -> Outcome:
        """Call it; fails unless it answers with JSON, or with an error that the caller can do something about."""
        said = f"{operation.name} {dict(request.query)!r:.60} {request.body!r:.60}"
        outcome = await attempt(operation.handler, request, seconds=SECONDS)
        must(not outcome.late, f"{said}: no answer within {SECONDS:g} s")
        if outcome.error is None:
            must_be_json(operation, outcome.answer)
        else:
            must(isinstance(outcome.error, RigError), f"{said}: raised {outcome.error!r}, which is no rig.RigError")
        return outcome


class OperationContract(_Operations):
    """What Rig expects of an operation."""

    @check
    async def test_it_registers_an_operation_that_says_what_it_does(self) -> None:
        must(self.found(), "it registers no operation with this configuration")
        for operation in self.found():
            good = operation.summary.strip() and "\n" not in operation.summary and len(operation.summary) <= 200
            must(good, f"{operation.name}: its summary is not one line of at most 200 characters")

    @check
    async def test_an_ordinary_call_is_answered(self) -> None:
        for operation, ordinary in self._ready():
            outcome = await self._answers(operation, ordinary)
            if operation.name in {*self.queries, *self.bodies}:
                must(outcome.error is None, f"{operation.name}: an ordinary call raised {outcome.error!r}")

    @check
    async def test_its_body_has_a_schema(self) -> None:
        for operation in self.things():
            wrong = GuardedOperation(operation, "", Guard("")).described(SECONDS).undescribed
            must(wrong is None, f"{operation.name}: its body can't be shown in the API's description: {wrong}")


class OperationFaults(_Operations):
    """What an operation meets on bad days. What the caller did wrong is a ``rig.BadRequest`` or another ``rig.RigError``."""

    @check
    async def test_hostile_queries_are_refused_or_answered(self) -> None:
        for operation, ordinary in self._ready():
            names = {*ordinary.query, "q", "model", "limit", "id", "url"}
            for text in hostile.TEXTS:
                await self._answers(operation, operation_request(dict.fromkeys(names, text[:8_000]), ordinary.body))

    @check
    async def test_hostile_bodies_are_refused_or_answered(self) -> None:
        for operation in self.things():
            if operation.request is None:
                continue
            whole = dict(self.bodies.get(operation.name) or sample(operation.request) or {})
            for bad in hostile.VALUES:
                for raw in hostile.broken(whole, bad, 2):
                    try:
                        body = _body(operation, raw)
                    except BadRequest:
                        continue
                    await self._answers(operation, operation_request({}, body))

    @check
    async def test_a_caller_that_goes_away_ends_the_call(self) -> None:
        for operation, ordinary in self._ready():
            for after in (0.0, 0.05):
                await ends_when_cancelled(operation.name, operation.handler, ordinary, after=after)

    @check
    async def test_many_callers_at_once_are_answered_alike(self) -> None:
        for operation, ordinary in self._ready():
            calls = [self._answers(operation, ordinary) for _ in range(AT_ONCE)]
            kinds = {type(outcome.error) for outcome in await asyncio.gather(*calls)}
            must(len(kinds) == 1, f"{operation.name}: {AT_ONCE} at once, and some were answered and some refused: {kinds}")


def must_be_json(operation: PluginOperation, answer: Any) -> None:
    """Fail unless an answer can be sent."""
    try:
        json.dumps(answer, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise AssertionError(f"{operation.name}: its answer is no JSON: {error}") from None


def _body(operation: PluginOperation, raw: Any) -> Any:
    return GuardedOperation(operation, "", Guard("")).body(raw)
