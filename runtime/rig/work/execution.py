"""One execution under way: what it may be asked to do, what it holds, and how it is stopped in the middle."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from rig.errors import Conflict, PluginError, RigError
from rig.plugin.provider import SessionResult, Steer
from rig.text import Redactor, one_line
from rig.work.logs import LogWriter
from rig.work.order import WorkOrder, WorkSettings
from rig.work.segments import Segment
from rig.work.session import Ending, WorkSession
from rig.work.workspace import Workspace

T = TypeVar("T")
FAREWELL = 2.2
"""Seconds that a cancelled session gets to end its turn and say how it can be gone on with; the guard's own are fewer."""

_log = logging.getLogger(__name__)


class EndedEarly(Exception):
    """The execution was asked to end."""

    def __init__(self, ending: Ending, result: object = None) -> None:
        self.ending = ending
        self.result = result if isinstance(result, SessionResult) else None
        """What the provider returned on being cancelled: its session may be resumed."""
        super().__init__(ending.reason)


class Execution:
    """One execution under way."""

    def __init__(self, order: WorkOrder, settings: WorkSettings) -> None:
        self.order = order
        self.settings = settings
        self.redact = Redactor((*order.secrets, order.environment.get("RIG_TOKEN", "")))
        self.ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self.steers: asyncio.Queue[Steer] = asyncio.Queue()
        self._said: set[str] = set()
        self.segments: asyncio.Queue[Segment | None] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None
        self.log: LogWriter | None = None
        self.home: dict[str, str] = {}
        self.workspace: Workspace | None = None
        self.session: WorkSession | None = None

    @property
    def writer(self) -> LogWriter:
        if self.log is None:
            raise Conflict("the execution has not begun")
        return self.log

    def say(self, steer: Steer) -> None:
        """Have the session told; what was said before is not said again."""
        if steer.id not in self._said:
            self._said.add(steer.id)
            self.steers.put_nowait(steer)

    def end(self, ending: Ending) -> None:
        if not self.ending.done():
            self.ending.set_result(ending)

    def reason(self, error: BaseException) -> str:
        """Why something failed, in one redacted line; for what is no error of Rig with the exception's name."""
        if isinstance(error, RigError):
            return self.redact(one_line(error.message))
        text = str(error)
        return self.redact(one_line(f"{type(error).__name__}: {text}" if text else type(error).__name__))

    async def until(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``, unless the execution is asked to end first: then it is cancelled, and EndedEarly raised."""
        task = asyncio.ensure_future(work)
        both: list[asyncio.Future[Any]] = [task, self.ending]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.done():
            if task.cancelled():
                raise PluginError("it gave up without a word")
            return task.result()
        raise EndedEarly(self.ending.result(), await self._stop(task))

    async def session_of(self, work: Coroutine[Any, Any, SessionResult]) -> SessionResult:
        """``until`` with the watch over silence and length."""
        session = self.session
        watching = asyncio.create_task(session.watch()) if session is not None else None
        try:
            result = await self.until(work)
        finally:
            if watching is not None:
                watching.cancel()
        if not isinstance(result, SessionResult):
            raise PluginError("the provider gave no result")
        return result

    async def _stop(self, task: "asyncio.Future[Any]") -> object:
        """Cancel ``task``; one that does not let go loses its programs under it. What it returns all the same."""
        task.cancel()
        await asyncio.wait([task], timeout=FAREWELL)
        if not task.done() and self.session is not None:
            await self.session.close()
            await asyncio.wait([task], timeout=1.0)
        if not task.done():
            _log.warning("something in execution %s ignores its cancellation", self.order.execution)
        elif not task.cancelled() and task.exception() is None:
            return task.result()
        return None


async def guarded(work: Coroutine[Any, Any, SessionResult]) -> SessionResult:
    """A provider's session whose attempt to end the whole program is only an error."""
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:
        raise PluginError(f"the provider raised {type(error).__name__}") from error
