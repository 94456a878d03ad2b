"""The only way from Rig into a plugin: with a deadline, off the loop, and so that nothing that goes wrong reaches others (I30).

What a plugin raises as a ``RigError`` is an answer and passes through. Anything else is a fault: recorded, reported, a
strike; too many strikes quarantine the plugin. A call that does well takes a strike away. What Python can't stop (``os._exit``,
a loop that holds the interpreter lock) the guard can't either; that is what ``isolate = "process"`` is for.
"""

import asyncio
import contextlib
import contextvars
import dataclasses
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from rig.errors import Busy, PluginError, RigError
from rig.plugin.calls import CallLog, CallOutcome
from rig.plugin.contexts import Fault
from rig.plugin.raised import Died, describe, headline, told
from rig.quota import WRITING, Quota

STRIKES = 5
"""Faults that are borne before the plugin is quarantined."""

WIDTH = 8
"""Synchronous calls of one plugin that run at the same time, more than strikes; others wait their turn, which is no fault."""

FAREWELL = 1.0
"""Seconds that a cancelled call gets to put its things away."""

FLOOD = 1000
"""Log records beyond its quota that a call may leave before that is a fault."""


def handed(value: Any) -> Any:
    """A copy of ``value`` for a plugin: containers and dataclasses of containers are copied, all else is handed over as it is."""
    if isinstance(value, dict):
        return {k: handed(v) for k, v in value.items()}
    if isinstance(value, list):
        return [handed(v) for v in value]
    if isinstance(value, set):
        return set(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        copies = {
            f.name: handed(v)
            for f in dataclasses.fields(value)
            if f.init and isinstance(v := getattr(value, f.name), dict | list | set)
        }
        return dataclasses.replace(value, **copies) if copies else value
    return value


def in_thread(function: Callable[..., Any], *args: Any) -> "Future[Any]":
    """Run ``function`` on a daemon thread of its own, so that one which never ends holds up neither others nor the exit.

    What it raises comes out of the future, SystemExit included, StopIteration as a RuntimeError: no awaited future can hold it.
    """
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            result = context.run(function, *args)
        except StopIteration as error:
            future.set_exception(RuntimeError(f"raised {describe(error)}").with_traceback(error.__traceback__))
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything, and whoever waits gets it
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, daemon=True, name=f"plugin-{getattr(function, '__qualname__', 'call')}").start()
    return future


class Guard:
    """Guards the calls into one plugin and keeps its record of calls and faults."""

    def __init__(
        self,
        plugin: str,
        *,
        strikes: int = STRIKES,
        on_fault: Callable[[Fault], None] | None = None,
        log: CallLog | None = None,
    ) -> None:
        self.plugin = plugin
        self.package = ""
        """The plugin's package, whose line a fault names; empty until the loader knows it."""
        self._log = log or CallLog()
        self._quota = Quota()
        self.calls = 0
        self.seconds = 0.0
        """Time spent in timed calls."""
        self.timed = 0
        self.strikes = 0
        self.last_error: str | None = None
        self.quarantined = False
        self._closed = False
        self._limit = strikes
        self._on_fault = on_fault
        self._width = asyncio.Semaphore(WIDTH)
        self._began: dict[asyncio.Task[Any] | None, float] = {}
        """When the plugin's code began to run in each task; one that waits for its turn is not in it."""

    @property
    def ms_per_call(self) -> float:
        """Mean of the timed calls in milliseconds, 0 before the first. Sessions of providers are not timed."""
        return round(self.seconds * 1000 / self.timed, 3) if self.timed else 0.0

    async def call(
        self,
        what: str,
        function: Callable[..., Any],
        *args: Any,
        deadline: float | None,
        expect: Any = None,
        last_words: bool = False,
    ) -> Any:
        """Call the plugin and let it run for at most ``deadline`` seconds (None: for ever, and the call is not timed).

        ``expect`` is a type (or several) that the answer must have. Raises PluginError when the plugin fails, is late, answers with
        something else or is quarantined, Busy when its turn did not come; lets a RigError of the plugin through. With
        ``last_words`` a call that is cancelled gets twice the time, and what it returns all the same is returned.
        """
        self._admit(what)
        task = self.start(what, function, *args, expect=expect, timed=deadline is not None)
        try:
            done, _ = await asyncio.wait({task}, timeout=deadline)
            if not done and deadline is not None and (began := self._began.get(task)) is not None:
                done, _ = await asyncio.wait({task}, timeout=max(0.0, began + deadline - time.monotonic()))
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task}, timeout=2 * FAREWELL if last_words else FAREWELL)
            if last_words and task.done() and not task.cancelled() and task.exception() is None:
                return task.result()
            raise
        if not done:
            task.cancel()  # not awaited: it may not listen
            if task not in self._began:
                raise Busy(f"plugin {self.plugin} is busy")
            raise self.fault(what, f"timeout after {deadline:g} s")
        return task.result()

    def start(
        self, what: str, function: Callable[..., Any], *args: Any, expect: Any = None, timed: bool = True, strike: bool = True
    ) -> "asyncio.Task[Any]":
        """Begin a call and hand over its task, which is not done before the plugin's code has really ended.

        ``strike`` False records an exception without counting it against the plugin.
        """
        task = asyncio.get_running_loop().create_task(self._run(what, function, args, expect, timed, strike))
        task.add_done_callback(_retrieve)
        return task

    def call_blocking(self, what: str, function: Callable[..., Any], *args: Any, deadline: float, strike: bool = True) -> Any:
        """The same for synchronous code where no event loop runs, as while the daemon starts; ``strike`` as of ``start``."""
        self._admit(what)
        self.calls += 1
        self.timed += 1
        began = time.monotonic()
        with self._writing():
            future = in_thread(function, *map(handed, args))  # with a copy of the context
        try:
            answer = future.result(deadline)
        except FutureTimeout as error:
            own = time.monotonic() - began < deadline  # the plugin's own TimeoutError
            raise self.fault(
                what, describe(error) if own else f"timeout after {deadline:g} s", strike=strike, began=began
            ) from error
        except RigError as error:
            self._note(what, began, "refused", describe(error))
            raise
        except BaseException as error:
            raise self.fault(what, self.told(error), strike=strike, began=began) from error
        finally:
            self.seconds += time.monotonic() - began
        if not self._flooded(what, began):
            self._note(what, began, "ok")
        return answer

    @contextlib.contextmanager
    def loading(self) -> Iterator[None]:
        """While this lasts the plugin is imported: what it logs is on its account, and a flood of it a strike."""
        began = time.monotonic()
        with self._writing():
            yield
        self._flooded("import", began)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        writing = WRITING.set(self._quota)
        try:
            yield
        finally:
            WRITING.reset(writing)

    def _flooded(self, what: str, began: float) -> bool:
        """Record a call that did well and wrote far too much about it."""
        left_out = self._quota.settle()
        if left_out > FLOOD:
            self.fault(what, f"{left_out} log records at once", began=began)
        return left_out > FLOOD

    def close(self) -> None:
        """Wait no more for threads that don't end: what is cancelled from now on is let go, so that the daemon can end."""
        self._closed = True

    def release(self) -> None:
        """Forget the strikes; a quarantined plugin is called again."""
        self.strikes = 0
        self.quarantined = False

    def _note(self, what: str, began: float, outcome: CallOutcome, error: str | None = None) -> None:
        self._log.add(self.plugin, what, time.monotonic() - began, outcome, error)

    def told(self, error: BaseException) -> str:
        """An error of the plugin, with its own line that it passed last."""
        return told(error, self.package)

    def fault(self, what: str, error: str, *, strike: bool = True, began: float | None = None) -> PluginError:
        """Record a fault, tell ``on_fault``, and give the error to raise, which names plugin, call and exception but not its text."""
        self._note(what, time.monotonic() if began is None else began, "fault", error)
        self.last_error = f"{what}: {error}"
        if strike:
            self.strikes += 1
            self.quarantined = self.quarantined or self.strikes >= self._limit
        if self._on_fault is not None:
            self._on_fault(Fault(self.plugin, what, error, self.strikes, self.quarantined))
        return PluginError(f"plugin {self.plugin} failed in {what}: {headline(error)}", plugin=self.plugin)

    def _admit(self, what: str) -> None:
        if self.quarantined:
            raise PluginError(f"plugin {self.plugin} is quarantined after {self.strikes} faults", plugin=self.plugin)

    async def _run(
        self, what: str, function: Callable[..., Any], args: tuple[Any, ...], expect: Any, timed: bool, strike: bool
    ) -> Any:
        self.calls += 1
        began = time.monotonic()
        task = asyncio.current_task()
        try:
            answer = await self._answer(function, [handed(a) for a in args])
        except asyncio.CancelledError:
            raise
        except RigError as error:
            self._note(what, self._began.get(task, began), "refused", describe(error))
            raise
        except BaseException as error:  # SystemExit would stop the daemon
            began = self._began.get(task, began)
            strike = strike or isinstance(error, Died) or not isinstance(error, Exception)
            raise self.fault(what, self.told(error), strike=strike, began=began) from error
        finally:
            began = self._began.pop(task, began)
            if timed:
                self.timed += 1
                self.seconds += time.monotonic() - began
        if expect is not None and not isinstance(answer, expect):
            raise self.fault(what, f"answered with {type(answer).__name__}", began=began)
        if not self._flooded(what, began):
            self._note(what, began, "ok")
            self.strikes = max(0, self.strikes - 1)
        return answer

    async def _answer(self, function: Callable[..., Any], args: list[Any]) -> Any:
        """Run the plugin's code, which writes on the plugin's account, and its threads too."""
        with self._writing():
            if inspect.iscoroutinefunction(function):
                self._began[asyncio.current_task()] = time.monotonic()
                return await function(*args)
            answer = await self._in_thread(function, args)
            return await answer if isinstance(answer, Awaitable) else answer

    async def _in_thread(self, function: Callable[..., Any], args: list[Any]) -> Any:
        async with self._width:
            self._began[asyncio.current_task()] = time.monotonic()
            future = asyncio.wrap_future(in_thread(function, *args))
            cancelled = False
            while not future.done():
                try:
                    await asyncio.wait({future})
                except asyncio.CancelledError:  # a thread can't be stopped: stay until it ends, so that it is counted
                    cancelled = True
                    if self._closed:
                        break
            if cancelled:
                future.add_done_callback(_retrieve)
                raise asyncio.CancelledError
            return future.result()


def _retrieve(future: "asyncio.Future[Any]") -> None:
    if not future.cancelled():
        future.exception()
