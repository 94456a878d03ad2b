"""What happens when a timer of an issue is due: a lease without heartbeats ends, a wait or the time for an answer is over."""

import msgspec

from rig.actors.kind import Kind
from rig.actors.system import System
from rig.actors.timers import Handler
from rig.model.call import Call
from rig.model.decide import agent, issue, job, question
from rig.model.decide.base import TimerChange
from rig.model.tables import AGENTS, ISSUES, JOBS
from rig.store.units import Timer

KINDS = (
    Kind("issue", ISSUES, issue.decide, issue.fold),
    Kind("agent", AGENTS, agent.decide, agent.fold),
    Kind("job", JOBS, job.decide, job.fold),
)
"""Every kind of actor, for ``System``."""


class LeaseTimer(msgspec.Struct, frozen=True):
    """The payload of a lease's timer, as ``rig.model.decide.held.lease_payload`` writes it."""

    issue: str
    fence: int


class QuestionTimer(msgspec.Struct, frozen=True):
    """The payload of a question's timer."""

    issue: str


_lease_timer = msgspec.json.Decoder(LeaseTimer).decode
_question_timer = msgspec.json.Decoder(QuestionTimer).decode


def handlers(system: System) -> dict[str, Handler]:
    """The handlers of ``rig.actors.timers.Timers`` by kind of timer."""

    async def lease(tenant: str, timer: Timer) -> object:
        payload = _lease_timer(timer.payload)
        fired = TimerChange(timer.key, timer.due, timer.payload)
        command = issue.Expire(lease=timer.key.removeprefix("lease:"), fence=payload.fence, timer=fired)
        return await system.ask("issue", Call(tenant=tenant, operation="expire_lease"), payload.issue, command)

    async def retry(tenant: str, timer: Timer) -> object:
        command = issue.RetryDue(timer=TimerChange(timer.key, timer.due, timer.payload))
        return await system.ask(
            "issue", Call(tenant=tenant, operation="end_retry_wait"), timer.key.removeprefix("retry:"), command
        )

    async def deadline(tenant: str, timer: Timer) -> object:
        payload = _question_timer(timer.payload)
        fired = TimerChange(timer.key, timer.due, timer.payload)
        command = question.Expire(question=timer.key.removeprefix("question:"), timer=fired)
        return await system.ask("issue", Call(tenant=tenant, operation="expire_question"), payload.issue, command)

    return {"lease": lease, "retry": retry, "question": deadline}
