"""A session for trying providers by themselves: real programs, everything that is reported kept in lists."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from rig.errors import ProcessError
from rig.plugin.provider import MAX_LINE, Answer, Steer, Usage


class FakeChild:
    """A program with pipes, in a process group of its own."""

    def __init__(self, process: asyncio.subprocess.Process, line_bytes: int) -> None:
        self._process = process
        self._line_bytes = line_bytes
        self.pid = process.pid

    async def lines(self) -> AsyncIterator[list[bytes]]:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            yield [line.rstrip(b"\n")[: self._line_bytes]]

    async def write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        except (ConnectionResetError, BrokenPipeError):
            raise ProcessError("the program is gone") from None

    async def close_stdin(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def wait(self) -> int:
        return await self._process.wait()

    async def end(self, grace: float = 5.0) -> bool:
        self._signal(signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), grace)
        self._signal(signal.SIGKILL)
        await self._process.wait()
        return True

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)


class FakeSession:
    """A ``rig.Session`` without Rig. ``end`` kills what it started, as Rig does."""

    def __init__(
        self,
        workspace: Path,
        config: Any = None,
        *,
        prompt: str = "Do it.",
        issue: str = "acme/shop#7",
        model: str | None = None,
        max_turns: int = 0,
        resume: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.execution_id = "01900000-0000-7000-8000-000000000001"
        self.issue = issue
        self.workspace = workspace
        self.prompt = prompt
        self.model = model
        self.max_turns = max_turns
        self.resume = resume
        self.config = config
        self.environment: Mapping[str, str] = environment or {}
        self.lines: list[str] = []
        """What was logged."""
        self.streams: list[str] = []
        """The stream of each line."""
        self.usages: list[Usage] = []
        self.messages: list[tuple[str, int | None, int | None]] = []
        """(message, turns, steps) of each progress."""
        self.argv: list[list[str]] = []
        """What was started."""
        self.processes: list[asyncio.subprocess.Process] = []

    async def spawn(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        keep_stdin: bool = False,
        line_bytes: int = MAX_LINE,
    ) -> FakeChild:
        self.argv.append(list(argv))
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=self.workspace,
                env={"PATH": os.environ["PATH"], **self.environment, **(env or {})},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=16 * 1024 * 1024,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise ProcessError(f"{argv[0]} can't be started: {type(error).__name__}") from None
        self.processes.append(process)
        child = FakeChild(process, line_bytes)
        if stdin is not None:
            with suppress(ProcessError):  # a program need not read its prompt
                await child.write(stdin)
        if not keep_stdin:
            await child.close_stdin()
        return child

    async def log(self, lines: Sequence[str], stream: Literal["stdout", "stderr", "agent", "system"] = "stdout") -> None:
        self.lines.extend(lines)
        self.streams.extend([stream] * len(lines))

    async def usage(self, usage: Usage) -> None:
        self.usages.append(usage)

    async def progress(self, message: str, *, turns: int | None = None, steps: int | None = None) -> None:
        self.messages.append((message, turns, steps))

    async def end(self) -> None:
        """Kill every process group that it started and wait for its end."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            if process.stdin is not None:
                process.stdin.close()


class AskingSession(FakeSession):
    """A session that can put questions; the first option is the answer, ``yes`` where there is none."""

    def __init__(self, workspace: Path, config: Any = None, **rest: Any) -> None:
        super().__init__(workspace, config, **rest)
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    async def ask(self, question: str, options: Sequence[str] = (), *, deadline_seconds: float | None = None) -> Answer | None:
        self.asked.append((question, tuple(options)))
        said = options[0] if options else "yes"
        return None if deadline_seconds == 0 else Answer(said, {"approve": True, "deny": False}.get(said))


class SteeredSession(FakeSession):
    """A session whose agent can be told something on its way, with ``say``."""

    def __init__(self, workspace: Path, config: Any = None, **rest: Any) -> None:
        super().__init__(workspace, config, **rest)
        self.steers: asyncio.Queue[Steer] = asyncio.Queue()
        self.delivered: list[str] = []
        """Texts that the agent has."""
        self.rejected: list[tuple[str, str]] = []
        """(text, reason) of those that its program would not take."""

    def say(self, text: str) -> None:
        """Say something; it waits until the provider asks for it."""
        self.steers.put_nowait(Steer(str(uuid4()), text))

    @property
    def steer_waits(self) -> bool:
        return not self.steers.empty()

    async def next_steer(self) -> Steer:
        return await self.steers.get()

    async def steer_delivered(self, steer: Steer) -> None:
        self.delivered.append(steer.text)

    async def steer_rejected(self, steer: Steer, reason: str) -> None:
        self.rejected.append((steer.text, reason))
