"""The actor of the house: pykka's, but run on the event loop, bounded, and never killed by a message."""

import inspect
import logging
from asyncio import Task
from collections.abc import Callable, Coroutine
from typing import Any, Self

import pykka
from pykka import messages
from pykka._envelope import Envelope

from rig.actors.dispatcher import INBOX_LIMIT, Dispatcher, Inbox
from rig.actors.future import RigFuture
from rig.errors import ActorFault, Draining, RigError

log = logging.getLogger("rig.actors")

FaultListener = Callable[["RigActor", BaseException], None]
"""Told of every fault, in the context of the message that caused it; must not block."""


class _Flag:
    """What pykka needs of ``threading.Event``, without its 1.2 kB: actors of one loop need no lock."""

    __slots__ = ("_set",)

    def __init__(self) -> None:
        self._set = False

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True


class RigActor(pykka.Actor):
    """An actor whose handlers run one at a time on the event loop, each in its sender's context.

    One rule for a failing ask, tell and ``on_start`` (I31): a RigError is an answer; anything else is a fault. A fault is
    told to ``on_fault``, the sender gets ActorFault, and ``on_start`` builds the actor again before its next message.
    SystemExit and KeyboardInterrupt are faults that are also told to the dispatcher's ``on_exit``.

    A handler that is a coroutine function runs as a task of its own, so that ``asyncio.timeout`` in it cancels nothing else;
    the next message waits for it. Actors are not listed in pykka's registry: who starts one keeps it.
    """

    actor_inbox: Inbox

    def __init__(
        self,
        dispatcher: Dispatcher,
        urn: str,
        on_fault: FaultListener | None = None,
        inbox_limit: int = INBOX_LIMIT,
    ) -> None:
        # Instead of pykka's __init__, which makes a UUID, an event and a condition for every actor.
        self.dispatcher = dispatcher
        self.on_fault = on_fault
        self.inbox_limit = inbox_limit
        self.actor_urn = urn
        self.actor_inbox = self._create_actor_inbox()
        self.actor_stopped = _Flag()  # type: ignore[assignment]  # is_set and set are all that pykka calls
        self._actor_ref = pykka.ActorRef(self)
        self._started = False
        self._task: Task[None] | None = None

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> pykka.ActorRef[Self]:
        """Make an actor and have it served; ``on_start`` runs before its first message."""
        actor = cls(*args, **kwargs)
        actor._start_actor_loop()
        return actor.actor_ref

    @property
    def busy(self) -> bool:
        """Whether a message waits or is being handled."""
        return self._task is not None or not self.actor_inbox.empty()

    def run(self, end: float) -> None:
        """Handle messages until there are none, one takes its time, or ``end`` has passed. Called by the dispatcher."""
        letters = self.actor_inbox.letters
        while letters and self._task is None:
            envelope, context = letters.popleft()
            context.run(self._handle, envelope)
            if self.actor_stopped.is_set():
                self._actor_loop_teardown()
            if self.dispatcher.timer() >= end:
                break
        self._go_on()

    def _go_on(self) -> None:
        if self.actor_inbox.letters and self._task is None:
            self.actor_inbox.wake()

    def _handle(self, envelope: Envelope[Any]) -> None:
        reply = _reply_to(envelope)
        try:
            if not self._started:
                self.on_start()
                self._started = True
            response = self._handle_receive(envelope.message)
        except BaseException as error:  # noqa: BLE001  # answered, and told as a fault
            self._refuse(reply, error)
        else:
            if inspect.iscoroutine(response):
                self._task = self.dispatcher.loop.create_task(self._finish(response, reply))
            elif reply is not None:
                reply.set(response)

    async def _finish(self, handler: Coroutine[Any, Any, Any], reply: RigFuture | None) -> None:
        try:
            response = await handler
        except BaseException as error:  # noqa: BLE001  # answered, and told as a fault
            self._refuse(reply, error)
        else:
            if reply is not None:
                reply.set(response)
        finally:
            self._task = None
            if self.actor_stopped.is_set():
                self._actor_loop_teardown()
            self._go_on()

    def _refuse(self, reply: RigFuture | None, error: BaseException) -> None:
        """Answer with ``error``, or with ActorFault and a rebuilt actor if it is not one of ours."""
        if not isinstance(error, RigError):
            self._fault(error)
            fault = ActorFault()
            fault.__cause__ = error
            error = fault
        if reply is not None:
            reply.fail(error)

    def _fault(self, error: BaseException) -> None:
        self._started = False
        try:
            self.on_failure(type(error), error, error.__traceback__)
            if self.on_fault is not None:
                self.on_fault(self, error)
        except BaseException:
            log.exception("A fault of %s could not be told.", self)
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            self.dispatcher.on_exit(error)

    # What pykka wants from a new type of actor.

    def _create_actor_inbox(self) -> Inbox:  # type: ignore[override]  # pykka calls it on the instance
        return Inbox(self.dispatcher, self.inbox_limit)

    @staticmethod
    def _create_future() -> RigFuture:
        return RigFuture()

    def _start_actor_loop(self) -> None:
        self.actor_inbox.bind(self)

    def _stop(self) -> None:
        """Take no more messages; pykka's own would look through its registry."""
        self.actor_stopped.set()
        try:
            self.on_stop()
        except BaseException as error:  # noqa: BLE001  # answered, and told as a fault
            self._fault(error)

    def _actor_loop_teardown(self) -> None:
        """Answer what still waits."""
        inbox = self.actor_inbox
        while not inbox.empty():
            envelope = inbox.get()
            reply = _reply_to(envelope)
            if reply is None:
                continue
            if isinstance(envelope.message, messages._ActorStop):
                reply.set(None)
            else:
                reply.fail(Draining())


def _reply_to(envelope: Envelope[Any]) -> RigFuture | None:
    reply = envelope.reply_to
    assert reply is None or isinstance(reply, RigFuture)
    return reply
