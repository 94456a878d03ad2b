"""Decisions of an issue: finishing, failing, releasing, expiring, aborting, forcing done. Pure: state and command to events."""

from typing import Literal

import msgspec

from rig.clock import Micros
from rig.errors import BadRequest, Conflict, IllegalTransition, NotFound, StaleLease
from rig.model.decide import attention, duty, question, steer
from rig.model.decide.base import Context, Decision, TimerChange
from rig.model.decide.held import end_of_lease, event_of, must_hold
from rig.model.events import Event
from rig.model.folds.issue import step
from rig.model.rows import IssueRow
from rig.model.states import TERMINAL, WORKING


class Complete(msgspec.Struct, frozen=True, kw_only=True):
    """The holder of a lease has finished."""

    agent: str
    lease: str
    fence: int
    state: Literal["in_review", "done"] = "in_review"
    """Where the issue goes (``dispatch.success_state``)."""
    branch: str | None = None
    commit: str | None = None
    result: str | None = None
    reason: str | None = None
    turns: int | None = None
    session: str | None = None


class Fail(msgspec.Struct, frozen=True, kw_only=True):
    """The holder of a lease could not do it."""

    agent: str
    lease: str
    fence: int
    reason: str
    retry_at: Micros | None = None
    """When it may be tried again; None: never, the issue has failed."""
    result: str | None = None
    turns: int | None = None
    session: str | None = None
    home: str | None = None
    """The execution whose home directory ``session`` needs."""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """Take an issue from the agent that holds it and queue it again."""

    reason: str
    lease: str | None = None
    """Only if this lease still holds it; None: whoever does."""
    fence: int = 0
    retry_at: Micros | None = None
    """When it may be handed out again; None: at once."""
    counted: bool = True
    """Whether the attempt counts; False where no work was begun."""


class Expire(msgspec.Struct, frozen=True, kw_only=True):
    """A lease's timer is due."""

    lease: str
    fence: int
    timer: TimerChange
    """The timer that fired; it must still stand, or a heartbeat has moved it."""


class RetryDue(msgspec.Struct, frozen=True, kw_only=True):
    """The wait before the next attempt is over; only tidies its timer away."""

    timer: TimerChange


class Abort(msgspec.Struct, frozen=True, kw_only=True):
    """An operator ends the issue, queued or running."""

    reason: str


class ForceDone(msgspec.Struct, frozen=True, kw_only=True):
    """An operator declares the issue done, whatever is open (R0-59 … R0-62)."""

    reason: str = ""


Command = (
    Complete | Fail | Release | Expire | RetryDue | Abort | ForceDone | question.Command | steer.Command | attention.Settle
)


def decide(row: IssueRow | None, command: Command, ctx: Context) -> Decision:
    """The events of a command. Raises NotFound, StaleLease, IllegalTransition, Conflict."""
    if isinstance(command, RetryDue):
        return Decision(timers_fired=(command.timer,))
    if isinstance(command, Expire):
        return _expire(row, command)
    if isinstance(command, question.Expire):
        return question.expire(row, command)
    if row is None:
        raise NotFound(f"Issue {ctx.stream} not found in conductor")
    match command:
        case duty.TakeBack() | duty.Flag():
            return duty.decide(row, command, ctx)
        case Complete():
            return _complete(row, command)
        case Fail():
            return _fail(row, command)
        case Release():
            return _release(row, command)
        case Abort():
            return _abort(row, command)
        case ForceDone():
            return _force_done(row, command)
        case question.Ask():
            return question.ask(row, command)
        case question.Answer():
            return question.answer(row, command)
        case attention.Settle():
            return attention.settle(row, command)
        case steer.Steer():
            return steer.steer(row, command)


def fold(row: IssueRow | None, event: Event) -> IssueRow | None:
    """The row after an own event, for deciding the next command before the commit."""
    return step(row, event, msgspec.json.decode(event.body))[0]


def _complete(row: IssueRow, command: Complete) -> Decision:
    must_hold(row, command.lease, command.fence)
    if command.agent != row.agent:
        raise StaleLease(f"the lease belongs to {row.agent}", lease=command.lease)
    done = event_of(
        row,
        "work_completed",
        agentId=command.agent,
        executionId=row.execution,
        leaseId=command.lease,
        fence=command.fence,
        state=command.state,
        branch=command.branch,
        commit=command.commit,
        result=command.result,
        reason=command.reason,
        turns=command.turns,
        sessionId=command.session,
    )
    return Decision(events=(done,), timers=end_of_lease(row), fences=((command.lease, command.fence),))


def _fail(row: IssueRow, command: Fail) -> Decision:
    must_hold(row, command.lease, command.fence)
    if command.agent != row.agent:
        raise StaleLease(f"the lease belongs to {row.agent}", lease=command.lease)
    failed = event_of(
        row,
        "work_failed",
        agentId=command.agent,
        executionId=row.execution,
        leaseId=command.lease,
        fence=command.fence,
        reason=command.reason,
        result=command.result,
        retryAt=command.retry_at,
        terminal=command.retry_at is None,
        turns=command.turns,
        sessionId=command.session,
        home=command.home,
    )
    timers = end_of_lease(row)
    if command.retry_at is not None:
        timers += (TimerChange(f"retry:{row.stream}", command.retry_at),)
    return Decision(events=(failed,), timers=timers, fences=((command.lease, command.fence),))


def _release(row: IssueRow, command: Release) -> Decision:
    if command.lease is not None:
        must_hold(row, command.lease, command.fence)
    if row.state not in WORKING:
        raise IllegalTransition(f"{row.stream} is {row.state}, no agent holds it", state=row.state)
    released = event_of(
        row,
        "lease_released",
        agentId=row.agent,
        leaseId=row.lease,
        fence=row.fence,
        reason=command.reason,
        retryAt=command.retry_at,
        uncounted=None if command.counted else True,
    )
    timers = end_of_lease(row)
    if command.retry_at is not None:
        timers += (TimerChange(f"retry:{row.stream}", command.retry_at),)
    return Decision(events=(released,), timers=timers)


def _expire(row: IssueRow | None, command: Expire) -> Decision:
    """A lease that ended otherwise leaves only its timer to be tidied away (I13)."""
    if row is None or row.lease != command.lease or row.fence != command.fence or row.state not in WORKING:
        return Decision(timers_fired=(command.timer,))
    expired = event_of(
        row,
        "lease_expired",
        agentId=row.agent,
        leaseId=row.lease,
        fence=row.fence,
        reason="no heartbeat before the lease ended",
    )
    return Decision(events=(expired,), timers_fired=(command.timer,))


def _abort(row: IssueRow, command: Abort) -> Decision:
    if row.state in TERMINAL:
        raise Conflict(f"{row.stream} is {row.state} already", state=row.state)
    if not command.reason:
        raise BadRequest("an abort needs a reason", field="reason")
    return Decision(events=(event_of(row, "issue_aborted", reason=command.reason),), timers=end_of_lease(row))


def _force_done(row: IssueRow, command: ForceDone) -> Decision:
    if row.state == "done":
        return Decision()
    forced = event_of(row, "issue_forced_done", previousState=row.state, reason=command.reason or None)
    return Decision(events=(forced,), timers=end_of_lease(row))
