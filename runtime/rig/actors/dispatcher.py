"""When actors run: one queue of actors that have messages, served on the event loop in slices of 2 ms."""

import contextvars
import time
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from pykka._envelope import Envelope

from rig.actors.future import running_loop
from rig.errors import Busy

BUDGET = 0.002
"""Seconds that a run may take before the loop gets its turn; counting messages instead stalled the loop for 1.7 s."""

INBOX_LIMIT = 1000
"""Messages that may wait for one actor."""


class Runnable(Protocol):
    """What the dispatcher serves."""

    def run(self, end: float) -> None:
        """Handle messages until there are none, or ``end`` (by the dispatcher's timer) has passed; must not raise."""
        ...


class Dispatcher:
    """Runs actors on a loop, one after the other, each as long as the slice lasts.

    ``on_exit`` is told when a handler raises SystemExit or KeyboardInterrupt: it should begin the stop of the service.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        on_exit: Callable[[BaseException], None] = lambda error: None,
        budget: float = BUDGET,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.loop = loop
        self.on_exit = on_exit
        self.timer = timer
        self._budget = budget
        self._ready: deque[Runnable] = deque()
        self._armed = False
        # Without a context of its own a run would inherit the variables of whoever happened to wake it.
        self._context = contextvars.Context()

    def submit(self, actor: Runnable) -> None:
        """Serve ``actor`` soon. Only on the loop's thread, and only if it is not waiting already."""
        self._ready.append(actor)
        if not self._armed:
            self._armed = True
            self.loop.call_soon(self._run, context=self._context)

    def _run(self) -> None:
        end = self.timer() + self._budget
        ready = self._ready
        try:
            while ready:
                ready.popleft().run(end)
                if self.timer() >= end:
                    break
        finally:
            self._armed = bool(ready)
            if ready:
                self.loop.call_soon(self._run, context=self._context)


Letter = tuple[Envelope[Any], contextvars.Context]
"""A message with the sender's context, in which it is handled."""


class Inbox:
    """A bounded inbox (pykka's ``ActorInbox``) that has its actor served when a message comes.

    Messages may be put from any thread. The inbox holds its actor, as nothing else of pykka does.
    """

    __slots__ = ("_actor", "_dispatcher", "_limit", "_scheduled", "letters")

    def __init__(self, dispatcher: Dispatcher, limit: int = INBOX_LIMIT) -> None:
        self.letters: deque[Letter] = deque()
        self._dispatcher = dispatcher
        self._limit = limit
        self._actor: Runnable | None = None
        self._scheduled = False

    def put(self, envelope: Envelope[Any], /) -> None:
        """Add a message; raises Busy when ``limit`` messages wait already."""
        if len(self.letters) >= self._limit:
            raise Busy("Too many messages wait for this actor; try again shortly.")
        self.letters.append((envelope, contextvars.copy_context()))
        if running_loop() is self._dispatcher.loop:
            self.wake()
        else:
            self._dispatcher.loop.call_soon_threadsafe(self.wake)

    def get(self) -> Envelope[Any]:
        return self.letters.popleft()[0]

    def empty(self) -> bool:
        return not self.letters

    def bind(self, actor: Runnable) -> None:
        """Give the inbox its actor, once."""
        self._actor = actor
        if self.letters:
            self.wake()

    def wake(self) -> None:
        """Have the actor served, unless it is on its way already."""
        if self._actor is not None and not self._scheduled:
            self._scheduled = True
            self._dispatcher.submit(self)

    def run(self, end: float) -> None:
        """The dispatcher's call; the actor calls ``wake`` itself if it leaves something that it can go on with."""
        assert self._actor is not None
        self._scheduled = False
        self._actor.run(end)
