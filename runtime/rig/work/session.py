"""The session that a provider drives: programs, log, usage and progress of one execution, and the clock of its silence."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from rig.errors import Conflict, ProcessError
from rig.plugin.provider import MAX_LINE, Answer, Steer, Usage
from rig.text import Redactor, clean, one_line, visible
from rig.work.environment import environment
from rig.work.logs import LogWriter
from rig.work.order import Outcome, Reporter, WorkOrder, WorkSettings
from rig.work.process import Child, spawn

T = TypeVar("T")


@dataclass(frozen=True)
class Ending:
    """Why an execution is stopped before its provider is done."""

    outcome: Outcome
    reason: str


class WorkSession:
    """Implements ``rig.plugin.provider.Session``, ``Asks``, ``Steered``, ``Resumable`` and ``Limited``."""

    def __init__(
        self,
        order: WorkOrder,
        settings: WorkSettings,
        *,
        workspace: Path,
        prompt: str,
        config: Any,
        env: Mapping[str, str],
        log: LogWriter,
        redact: Redactor,
        reporter: Reporter,
        ending: "asyncio.Future[Ending]",
        steers: "asyncio.Queue[Steer]",
    ) -> None:
        self.execution_id = order.execution
        self.issue = order.issue
        self.workspace = workspace
        self.prompt = prompt
        self.model = order.model
        self.max_turns = order.max_turns
        self.resume = order.resume
        self.config = config
        self.environment = env
        self._order = order
        self._settings = settings
        self._log = log
        self._redact = redact
        self._reporter = reporter
        self._ending = ending
        self._steers = steers
        self._loop = asyncio.get_running_loop()
        self._began = self._heard_at = self._loop.time()
        self._asking = 0
        self._closed = False
        self._children: list[Child] = []
        self._errors: list[asyncio.Task[None]] = []

    async def spawn(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        keep_stdin: bool = False,
        line_bytes: int = MAX_LINE,
    ) -> Child:
        self._refuse_if_over()
        child = await spawn(
            argv,
            cwd=self.workspace,
            env=environment({**self.environment, **(env or {})}, {}),
            limits=self._settings.limits,
            marker=self.execution_id,
            heard=self._hear,
            line_bytes=line_bytes,
        )
        self._children.append(child)
        self._errors.append(asyncio.create_task(self._log_errors(child)))
        self._refuse_if_over()  # the child is ended with the others
        await self._tell(self._reporter.spawned(self._order, child.pid, child.started))
        child.feed(stdin or b"", close=not keep_stdin)
        return child

    async def log(self, lines: Sequence[str], stream: Literal["stdout", "stderr", "agent", "system"] = "stdout") -> None:
        self._hear()
        await self._log.write(lines, stream)

    async def usage(self, usage: Usage) -> None:
        self._hear()
        await self._tell(self._reporter.usage(self._order, replace(usage, model=one_line(usage.model, 200))))

    async def progress(self, message: str, *, turns: int | None = None, steps: int | None = None) -> None:
        self._hear()
        await self._tell(self._reporter.progress(self._order, self._redact(one_line(message, 500)), turns, steps))

    async def ask(self, question: str, options: Sequence[str] = (), *, deadline_seconds: float | None = None) -> Answer | None:
        shown = [self._redact(one_line(option, 200)) for option in options[:20]]
        self._asking += 1  # the silence that follows is a human's
        try:
            text = self._redact(visible(question[:4000]))[:4000]
            return await self._tell(self._reporter.ask(self._order, text, shown, deadline_seconds))
        finally:
            self._asking -= 1
            self._hear()

    @property
    def steer_waits(self) -> bool:
        return not self._steers.empty()

    async def next_steer(self) -> Steer:
        steer = await self._steers.get()
        return replace(steer, text=clean(steer.text))

    async def steer_delivered(self, steer: Steer) -> None:
        self._hear()
        await self._tell(self._reporter.steered(self._order, steer, None))

    async def steer_rejected(self, steer: Steer, reason: str) -> None:
        said = self._redact(one_line(reason, 500)) or "it was refused"
        await self._tell(self._reporter.steered(self._order, steer, said))

    async def limits(self, text: str) -> None:
        await self._tell(self._reporter.limits(self._order, self._redact(one_line(text, 300))))

    async def can_resume(self, session_id: str) -> None:
        await self._tell(self._reporter.resumable(self._order, session_id))

    async def watch(self) -> None:
        """End the session when it is silent for too long or lasts too long; runs beside the provider."""
        stall, longest = self._settings.stall_seconds, self._settings.run_seconds
        while True:
            now = self._loop.time()
            waits = []
            if longest > 0:
                waits.append(self._began + longest - now)
                if waits[-1] <= 0:
                    return self._end(Ending("timed_out", f"ran longer than {longest:g} s"))
            if stall > 0 and not self._asking:
                waits.append(self._heard_at + stall - now)
                if waits[-1] <= 0:
                    return self._end(Ending("stalled", f"neither output nor progress for {stall:g} s"))
            await asyncio.sleep(min([*waits, 1.0 if self._asking else 3600.0]))

    async def close(self) -> bool:
        """End every program of the session with its whole group; True when nothing of them is left."""
        self._closed = True
        ended = await asyncio.gather(*(child.end(self._settings.grace_seconds) for child in self._children))
        self._children.clear()
        if self._errors:
            _, late = await asyncio.wait(self._errors, timeout=2.0)
            for task in late:
                task.cancel()
        return all(ended)

    def _hear(self) -> None:
        self._heard_at = self._loop.time()

    def _end(self, ending: Ending) -> None:
        if not self._ending.done():
            self._ending.set_result(ending)

    def _refuse_if_over(self) -> None:
        if self._closed or self._ending.done():
            raise ProcessError("the session is over")

    async def _tell(self, report: Awaitable[T]) -> T:
        try:
            return await report
        except Conflict as error:
            self._end(Ending("cancelled", error.message))
            raise

    async def _log_errors(self, child: Child) -> None:
        async for batch in child.errors():
            await self._log.write(batch, "stderr")
