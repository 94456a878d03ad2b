"""What a stream's actor is made of: its kind, the system that hosts it, and the messages that it gets."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

from rig.actors.base import FaultListener
from rig.actors.dispatcher import INBOX_LIMIT, Dispatcher
from rig.clock import Clock, Micros
from rig.ids import Ids
from rig.model.call import Call
from rig.model.decide.base import Context, Decision, TimerChange
from rig.model.events import Event, NewEvent
from rig.model.tables import R, Table
from rig.store.port import Store
from rig.store.units import Committed, Cursor, Idempotency, Outcome, Timer, Unit


@dataclass(frozen=True)
class Kind(Generic[R]):
    """A kind of actor: its name, the read model that is its state, and two pure functions.

    The key of the row is the name of the stream. ``decide`` raises a RigError to refuse. ``fold`` gives the row after an
    event of that stream; the event is not in the log yet, so position and sequence are 0 and hashes empty.
    """

    name: str
    table: Table[R]
    decide: Callable[[R | None, Any, Context], Decision]
    fold: Callable[[R | None, Event], R | None]


@dataclass(frozen=True)
class Host:
    """What all stream actors of one system share."""

    store: Store
    clock: Clock
    ids: Ids
    dispatcher: Dispatcher
    on_fault: FaultListener
    config_version: Callable[[], int]
    inbox_limit: int = INBOX_LIMIT


@dataclass(frozen=True, slots=True)
class Ask:
    """A command and who gives it."""

    command: Any
    call: Call
    expected_version: int | None = None
    """The version that the stream must have, else VersionConflict; None: decide on whatever is true."""
    outcome: Callable[[Committed], Outcome] | None = None
    """Makes the answer when the decision brings none; pure."""
    cursors: tuple[Cursor, ...] = ()


def provisional(new: NewEvent, call: Call, version: int, at: Micros) -> Event:
    """An event as it will stand in the log if its unit goes through, for folding ahead within a turn."""
    return Event(
        position=0,
        tenant=call.tenant,
        sequence=0,
        stream=new.stream,
        version=version,
        type=new.type,
        id="",
        at=at,
        principal=call.principal,
        operation=call.operation,
        request_id=call.request_id,
        meta=new.meta,
        body=new.body,
        body_hash=b"",
        hash=b"",
    )


def unit(ask: Ask, decision: Decision, expect: dict[str, int], follows: bool) -> Unit:
    """What a decision does, in the store's words."""
    call, answer = ask.call, decision.outcome
    outcome = ask.outcome if answer is None else lambda committed: Outcome(*answer(committed))
    scope = call.idempotency_scope
    return Unit(
        tenant=call.tenant,
        events=decision.events,
        expect=expect,
        principal=call.principal,
        operation=call.operation,
        request_id=call.request_id,
        timers=_timers(decision.timers),
        timers_fired=_timers(decision.timers_fired),
        cursors=ask.cursors,
        fences=decision.fences,
        idempotency=None if scope is None else Idempotency(scope, call.idempotency_digest),
        outcome=outcome,
        follows=follows,
    )


def _timers(changes: tuple[TimerChange, ...]) -> tuple[Timer, ...]:
    return tuple(Timer(c.key, c.due, c.payload) for c in changes)
