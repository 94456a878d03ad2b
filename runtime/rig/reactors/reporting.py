"""What executions tell, as facts and commands in the log (``rig.work.order.Reporter``)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from rig.actors.system import System
from rig.clock import Clock
from rig.config import Settings
from rig.errors import Conflict, Draining, Unavailable
from rig.model import identity
from rig.model.call import Call
from rig.model.decide import issue as commands
from rig.model.events import NewEvent, encode
from rig.model.retry import backoff
from rig.model.rows import Tokens
from rig.model.tables import ISSUES
from rig.plugin.provider import Answer, Steer, Usage
from rig.reactors.dispatch import Dispatch
from rig.reactors.gates import Gates
from rig.reactors.presence import Presence
from rig.reactors.questions import Questions
from rig.store.port import Store
from rig.store.units import Unit
from rig.work.order import Finished, Started, WorkOrder
from rig.work.segments import Segment

log = logging.getLogger(__name__)

PATIENCE = 60
"""How many times, a second apart, the end of an execution is told to a store that is unavailable."""


INTERRUPTED = "interrupted: the daemon stopped"
"""Reason of an execution that a stop of the daemon ended."""


class Prices(Protocol):
    """What tokens cost (``rig.prices.PriceBook``)."""

    async def learn(self, model: str) -> None: ...

    def cost(self, model: str, tokens: Tokens, reported: Any = None) -> dict[str, Any]: ...


class LogReporter:
    """Writes each report on the issue's stream. Reports that need the lease carry its fence, so a lost one refuses them."""

    def __init__(
        self,
        store: Store,
        system: System,
        settings: Callable[[], Settings],
        prices: Prices,
        gates: Gates,
        questions: Questions,
        presence: Presence,
        clock: Clock,
    ) -> None:
        self._store = store
        self._system = system
        self._settings = settings
        self._prices = prices
        self._gates = gates
        self._questions = questions
        self._presence = presence
        self._clock = clock
        self.dispatch: Dispatch | None = None
        """Told of programs and ends; set once it exists."""

    async def started(self, order: WorkOrder, started: Started) -> None:
        body = {
            "executionId": order.execution,
            "branch": started.branch,
            "provider": started.provider,
            "model": started.model,
            "workspace": started.workspace,
            "steers": started.steers,
        }
        await self._event(order, "work_started", body)

    async def spawned(self, order: WorkOrder, process_group: int, process_started: float | None) -> None:
        if self.dispatch is not None:
            self.dispatch.spawned(order, process_group)
        body = {"executionId": order.execution, "processGroup": process_group, "processStarted": process_started}
        await self._event(order, "execution_progressed", body)

    async def usage(self, order: WorkOrder, usage: Usage) -> None:
        """Tokens count whatever became of the lease: they were spent."""
        tokens = Tokens(usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_creation_tokens)
        body = {
            "executionId": order.execution,
            "model": usage.model,
            "inputTokens": tokens.input,
            "outputTokens": tokens.output,
            "cacheReadTokens": tokens.cache_read,
            "cacheCreationTokens": tokens.cache_creation,
            "costUsd": None if usage.cost_usd is None else float(usage.cost_usd),
            "category": usage.category,
        }
        await self._prices.learn(usage.model)
        meta = {"cost": self._prices.cost(usage.model, tokens, usage.cost_usd)}
        await self._event(order, "token_usage", body, meta, fenced=False)

    async def progress(self, order: WorkOrder, message: str, turns: int | None, steps: int | None) -> None:
        body = {"executionId": order.execution, "message": message, "turns": turns, "steps": steps}
        await self._event(order, "execution_progressed", body)

    async def ask(
        self, order: WorkOrder, question: str, options: Sequence[str], deadline_seconds: float | None
    ) -> Answer | None:
        return await self._questions.ask(order, question, options, deadline_seconds)

    async def limits(self, order: WorkOrder, text: str) -> None:
        await self._presence.limits(order, text)

    async def resumable(self, order: WorkOrder, session: str) -> None:
        body = {"executionId": order.execution, "sessionId": session, "home": order.home or order.execution}
        await self._event(order, "execution_progressed", body)

    async def steered(self, order: WorkOrder, steer: Steer, refused: str | None) -> None:
        type_ = "steer_delivered" if refused is None else "steer_rejected"
        await self._event(order, type_, {"steerId": steer.id, "executionId": order.execution, "reason": refused})

    async def sealed(self, order: WorkOrder, segment: Segment) -> None:
        await self._event(order, "log_sealed", sealed_body(segment), fenced=False)

    async def finished(self, order: WorkOrder, finished: Finished) -> None:
        call = Call(tenant=order.tenant, principal=f"agent:{order.agent}", operation="finish_execution")
        finished = await self._judged(order, finished)
        command = self._command(order, finished)
        try:
            try:
                await self._patiently(lambda: self._system.ask("issue", call, order.issue, command))
            except Conflict as error:
                log.info("%s ended as %s after its lease: %s", order.execution, finished.outcome, error.message)
            revoked = NewEvent("keys", "key_revoked", encode({"id": f"attempt-{order.execution}"}))
            await self._patiently(lambda: self._commit(order, revoked))
        finally:
            if self.dispatch is not None:
                await self.dispatch.ended(order)
        self._gates.ended(order, finished)

    async def _judged(self, order: WorkOrder, finished: Finished) -> Finished:
        """A completion that a plugin refuses is a failure, tried again like any other."""
        if not finished.ok:
            return finished
        row = self._store.get(ISSUES, order.tenant, order.issue)
        veto = await self._gates.completion(
            row,
            order.issue,
            order.agent,
            self._settings().dispatch.success_state,
            branch=finished.branch,
            commit=finished.commit,
            result=finished.result,
        )
        return finished if veto is None else replace(finished, outcome="failed", reason=f"not accepted by {veto}")

    async def _patiently(self, attempt: Callable[[], Awaitable[object]]) -> None:
        """Try for a minute while the store is unavailable; after that the lease runs out and the issue is tried again."""
        for _ in range(PATIENCE):
            try:
                await attempt()
                return
            except Unavailable as error:
                if isinstance(error, Draining):
                    raise
                log.warning("the end of an execution waits: %s", error.message)
                await asyncio.sleep(1)
        await attempt()

    def _command(self, order: WorkOrder, finished: Finished) -> commands.Command:
        settings = self._settings().dispatch
        if finished.ok:
            return commands.Complete(
                agent=order.agent,
                lease=order.lease,
                fence=order.fence,
                state=settings.success_state,
                branch=finished.branch,
                commit=finished.commit,
                result=finished.result,
                turns=finished.turns,
                session=finished.session,
            )
        if finished.outcome == "cancelled":
            return commands.Release(reason=finished.reason or "cancelled", lease=order.lease, fence=order.fence)
        interrupted = finished.outcome == "interrupted"
        wait = 0.0 if interrupted else backoff(order.attempt, settings.max_retry_backoff_ms)
        return commands.Fail(
            agent=order.agent,
            lease=order.lease,
            fence=order.fence,
            reason=INTERRUPTED if interrupted else finished.reason,
            retry_at=self._clock.now() + int(wait * 1e6),
            result=finished.result,
            turns=finished.turns,
            session=finished.session,
            home=(order.home or order.execution) if finished.session else None,
        )

    async def _event(
        self, order: WorkOrder, type_: str, body: dict[str, Any], meta: dict[str, Any] | None = None, *, fenced: bool = True
    ) -> None:
        repo, number = identity.split_issue(order.issue)
        named: dict[str, Any] = {"repo": repo, "issueNumber": number} if repo else {"identifier": order.issue}
        said = {name: value for name, value in body.items() if value is not None}
        event = NewEvent(order.issue, type_, encode({**named, "agentId": order.agent, **said}), encode(meta or {}))
        await self._commit(order, event, fenced=fenced)

    async def _commit(self, order: WorkOrder, event: NewEvent, *, fenced: bool = False) -> None:
        await self._store.commit(
            Unit(
                order.tenant,
                (event,),
                principal=f"agent:{order.agent}",
                operation=event.type,
                fences=((order.lease, order.fence),) if fenced else (),
            )
        )


def sealed_body(segment: Segment) -> dict[str, Any]:
    """The body of ``log_sealed``."""
    return {
        "executionId": segment.execution,
        "first": segment.first,
        "lines": segment.lines,
        "bytes": segment.bytes,
        "digest": segment.digest,
    }
