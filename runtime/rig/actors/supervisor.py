"""Threads for code that blocks, and a look at what all of them do."""

import asyncio
import faulthandler
import queue
import signal
import threading
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, TextIO, TypeVar

from rig.errors import Busy, DeadlineExceeded

T = TypeVar("T")

_Job = tuple[Callable[[], Any], Context, AbstractEventLoop, "Future[Any]"]


class BlockingPool:
    """A few threads for calls that block, such as plugin code; never the loop's own executor, which they could fill up.

    The threads are daemons: a call that never returns costs one thread, and not the exit of the process. At most
    ``waiting`` calls queue up.
    """

    def __init__(self, threads: int = 4, waiting: int = 256) -> None:
        self._jobs: queue.Queue[_Job | None] = queue.Queue(waiting)
        self._threads = [threading.Thread(target=self._work, name=f"rig-blocking-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    async def run(self, call: Callable[[], T], deadline: float) -> T:
        """The result of ``call``, made on a thread in the caller's context; raises what it raises.

        DeadlineExceeded after ``deadline`` seconds, although the call itself goes on; Busy when too many wait.
        """
        loop = asyncio.get_running_loop()
        reply: Future[T] = loop.create_future()
        try:
            self._jobs.put_nowait((call, copy_context(), loop, reply))
        except queue.Full:
            raise Busy from None
        try:
            async with asyncio.timeout(deadline) as limit:
                return await reply
        except TimeoutError:
            if limit.expired():
                raise DeadlineExceeded from None
            raise

    def close(self) -> None:
        """Let the threads end once they are done; waits for none."""
        for _ in self._threads:
            try:
                self._jobs.put_nowait(None)
            except queue.Full:
                return

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            call, context, loop, reply = job
            if reply.cancelled():
                continue
            result: Any = None
            failure: BaseException | None = None
            try:
                result = context.run(call)
            except BaseException as error:  # noqa: BLE001  # it is the caller's, whatever it is
                failure = error
            try:
                loop.call_soon_threadsafe(_reply, reply, result, failure)
            except RuntimeError:
                return  # the loop is closed: nobody waits


def _reply(reply: "Future[Any]", result: Any, failure: BaseException | None) -> None:
    if reply.done():
        return
    if failure is None:
        reply.set_result(result)
    elif isinstance(failure, Exception) and not isinstance(failure, StopIteration):
        reply.set_exception(failure)
    else:
        reply.set_exception(RuntimeError(f"{type(failure).__name__} in blocking code"))


def dump_stacks_on(signum: int = signal.SIGUSR1, file: TextIO | None = None) -> None:
    """Have the stacks of all threads written to ``file`` (None: stderr) on a signal, even while the loop hangs."""
    if file is None:
        faulthandler.register(signum, all_threads=True)
    else:
        faulthandler.register(signum, file=file, all_threads=True)
