"""Questions while the daemon runs: sessions put them and wait, plugins may answer before a person is asked."""

import asyncio
import logging
from collections.abc import Sequence

from rig.actors.system import System
from rig.clock import Clock, iso_or_none
from rig.errors import Conflict, RigError
from rig.ids import Ids
from rig.model.call import Call
from rig.model.decide import attention, question
from rig.model.rows import AttentionRow, QuestionRow
from rig.plugin.happenings import Happenings
from rig.plugin.moments import AttentionContext, Reply
from rig.plugin.provider import Answer
from rig.store.port import Batch, Store
from rig.work.order import WorkOrder

log = logging.getLogger(__name__)


class Questions:
    """Lives on one event loop; ``hear`` is a store listener."""

    def __init__(self, store: Store, system: System, happenings: Happenings, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._system = system
        self._happenings = happenings
        self._clock = clock
        self._ids = ids
        self._waiting: dict[str, asyncio.Future[QuestionRow]] = {}
        self._offers: set[asyncio.Task[None]] = set()

    async def ask(self, order: WorkOrder, text: str, options: Sequence[str], deadline_seconds: float | None) -> Answer | None:
        """Put a session's question and wait for its answer, None when its deadline passed.

        Raises what the decision raises, and Conflict when the lease ended before anybody answered.
        """
        key = self._ids.uuid()
        ended = self._waiting[key] = asyncio.get_running_loop().create_future()
        command = question.Ask(
            id=key,
            agent=order.agent,
            lease=order.lease,
            fence=order.fence,
            question=text.strip() or "?",
            options=tuple(dict.fromkeys(option for option in options if option)),
            deadline=None if deadline_seconds is None else self._clock.now() + max(0, int(deadline_seconds * 1e6)),
        )
        call = Call(tenant=order.tenant, principal=f"agent:{order.agent}", operation="ask_question")
        try:
            await self._system.ask("issue", call, order.issue, command)
            row = await ended
        finally:
            self._waiting.pop(key, None)
        if row.state == "withdrawn":
            raise Conflict("the question ended with its lease")
        if row.state == "expired" or row.answer is None:
            return None
        return Answer(row.answer, None if row.decision is None else row.decision == "approve")

    def hear(self, batch: Batch) -> None:
        """Wake who waits for an answer, and let plugins know of what needs a person."""
        for (tenant, table, key), row in batch.rows.items():
            if table == "questions" and isinstance(row, QuestionRow) and row.state != "open":
                waiting = self._waiting.get(key)
                if waiting is not None and not waiting.done():
                    waiting.set_result(row)
            elif table == "attention" and isinstance(row, AttentionRow):
                self._offer(tenant, row)

    async def stop(self) -> None:
        """Offer no more; what waits for an answer ends with its session."""
        for task in self._offers:
            task.cancel()
        await asyncio.gather(*self._offers, return_exceptions=True)

    def _offer(self, tenant: str, row: AttentionRow) -> None:
        if not self._happenings.wanted("rig_before_attention") and not self._happenings.wanted("rig_after_attention"):
            return
        task = asyncio.get_running_loop().create_task(self._answered_or_told(tenant, row))
        self._offers.add(task)
        task.add_done_callback(self._offers.discard)

    async def _answered_or_told(self, tenant: str, row: AttentionRow) -> None:
        context = AttentionContext(
            id=row.id,
            kind=row.kind,
            subject=row.subject,
            question=row.question,
            options=row.options,
            deadline=iso_or_none(row.deadline),
        )
        for plugin, reply in await self._happenings.ask("rig_before_attention", context, Reply):
            call = Call(tenant=tenant, principal=f"plugin:{plugin}", operation="answer_question")
            try:
                await self._system.ask("issue", call, row.subject, attention.command(row, reply.answer, None))
                return
            except Conflict:
                return  # somebody was faster, or it no longer waits
            except RigError as error:
                log.warning("the answer of plugin %s to %s was not taken: %s", plugin, row.id, error.message)
        self._happenings.tell("rig_after_attention", context)
