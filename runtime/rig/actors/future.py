"""A pykka future that never blocks the event loop."""

import asyncio
import queue
import sys
import threading
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Generator
from typing import Any, Final

import pykka
from pykka._types import OptExcInfo

_UNSET: Final = object()


def running_loop() -> AbstractEventLoop | None:
    """The loop that runs on the calling thread, None on every other thread."""
    return asyncio._get_running_loop()


class RigFuture(pykka.Future[Any]):
    """A reply to come. ``await`` it on a loop; ``get`` is for threads without one.

    Each awaiter waits on a future of its own, so cancelling one neither cancels the work nor disturbs another. The stock
    ``__await__`` ends in a blocking ``get`` and is replaced.
    """

    __slots__ = ("_error", "_get_hook", "_get_hook_result", "_value", "_waiters")

    def __init__(self) -> None:
        self._get_hook = None
        self._get_hook_result = _UNSET
        self._value: Any = _UNSET
        self._error: BaseException | None = None
        self._waiters: list[Callable[[], object]] = []

    def done(self) -> bool:
        """Whether there is a reply, good or bad."""
        return self._value is not _UNSET

    def set(self, value: Any = None) -> None:
        self._finish(value, None)

    def set_exception(self, exc_info: OptExcInfo | None = None) -> None:
        kind, error, _ = exc_info or sys.exc_info()
        if error is None:
            error = (kind or RuntimeError)()
        self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Answer with an exception; ``set_exception`` without the triple."""
        self._finish(None, error)

    def _finish(self, value: Any, error: BaseException | None) -> None:
        if self._value is not _UNSET or self._get_hook is not None:
            raise queue.Full
        self._error, self._value = error, value
        # Whoever adds a waiter after this line sees the value when it looks again, so no lock is needed.
        for wake in self._waiters:
            wake()

    def _result(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._value

    def get(self, *, timeout: float | None = None) -> Any:
        """The reply, waiting for it on a thread that runs no loop; raises RuntimeError where waiting would block one."""
        if self._get_hook is not None:
            if self._get_hook_result is _UNSET:
                self._get_hook_result = self._get_hook(timeout)
            return self._get_hook_result
        if self._value is _UNSET:
            if running_loop() is not None:
                raise RuntimeError("await the future: get() would block the event loop")
            replied = threading.Event()
            self._waiters.append(replied.set)
            if self._value is _UNSET and not replied.wait(timeout):
                raise pykka.Timeout(f"{timeout} seconds")
        return self._result()

    def __await__(self) -> Generator[Any, None, Any]:
        loop = asyncio.get_running_loop()
        if self._get_hook is not None:  # map(), filter() and stop() compute by a hook that blocks
            return (yield from loop.run_in_executor(None, self.get).__await__())
        if self._value is _UNSET:
            waiter: Future[None] = loop.create_future()

            def wake() -> None:
                if running_loop() is loop:
                    _wake(waiter)
                else:
                    loop.call_soon_threadsafe(_wake, waiter)

            self._waiters.append(wake)
            if self._value is _UNSET:
                yield from waiter
        return self._result()


def _wake(waiter: Future[None]) -> None:
    if not waiter.done():  # a cancelled awaiter stays in the list
        waiter.set_result(None)
