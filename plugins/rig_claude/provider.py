"""Drives Claude Code in its non-interactive mode: messages on stdin, one JSON object a line on stdout."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from rig import Asks, Child, Model, ProcessError, Resumable, RigError, Session, SessionResult, Steer, Steered
from rig.probes import converse
from rig_claude import control
from rig_claude.config import ClaudeConfig
from rig_claude.stream import NO_SESSION, Reading, decoded

QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_BUG_COMMAND": "1",
}
"""Keeps the program off every address but its model API's."""

APPROVE, DENY = "approve", "deny"

LINE_BYTES = 10 << 20
"""Longest message; a tool's whole result comes in one."""

INTERRUPT_SECONDS = 0.6
"""What a cancelled session may take to end its turn properly; Rig ends its programs soon after."""


def arguments(config: ClaudeConfig, model: str | None, max_turns: int, resume: str | None) -> list[str]:
    """The command line. The prompt is not in it: it may be long, begin with a dash, and argv is public."""
    argv = [config.command, "-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"]
    argv.append("--replay-user-messages")  # says what of it the agent has been told
    argv.append("--include-partial-messages")  # says what each answer has cost in tokens, before the session ends
    limits = [n for n in (config.max_turns, max_turns) if n]
    if limits:
        argv += ["--max-turns", str(min(limits))]
    if model:
        argv += ["--model", model]
    if resume:
        argv += ["--resume", resume]
    if config.approval == "auto":
        argv.append("--dangerously-skip-permissions")
    else:
        argv += ["--permission-mode", "default"]
    if config.approval == "ask":
        argv += ["--permission-prompt-tool", "stdio"]
    if config.allowed_tools:
        argv += ["--allowedTools", ",".join(config.allowed_tools)]
    if config.disallowed_tools:
        argv += ["--disallowedTools", ",".join(config.disallowed_tools)]
    return argv


def environment(config: ClaudeConfig, *, root: bool) -> dict[str, str]:
    """What is added to the session's own environment, which holds the granted key."""
    env = dict(QUIET)
    if config.base_url:
        env["ANTHROPIC_BASE_URL"] = config.base_url
    if config.approval == "auto" and root:
        env["IS_SANDBOX"] = "1"  # without it the program refuses to skip permissions as root
    return env


class ClaudeProvider:
    """Drives one Claude Code process a session."""

    name = "claude"

    async def run(self, session: Session) -> SessionResult:
        conversation = Conversation(session)
        result = await conversation.run(session.resume)
        if session.resume and not result.ok and NO_SESSION in (conversation.reading.failure or ""):
            await session.log([f"session {session.resume} is gone, starting afresh"], "system")
            result = await Conversation(session).run(None)
        return result

    async def list_models(self, config: ClaudeConfig) -> Sequence[Model]:
        """What the program offers; it has no command for that, but says so when it begins."""
        argv = arguments(config, None, 0, None)
        said = control.line(control.request("begin", "initialize"))
        return await converse(
            argv, environment(config, root=os.geteuid() == 0), said, lambda line: control.models(decoded(line) or {})
        )


class Conversation:
    """One program, what it has said, the permissions that it waits for, and what it is still to be told."""

    def __init__(self, session: Session) -> None:
        self.reading = Reading()
        self._session = session
        self._config: ClaudeConfig = session.config
        self._answering: dict[str, asyncio.Task[None]] = {}
        self._steers: dict[str, Steer] = {}
        """What was written to the program and is not in its conversation yet."""

    async def run(self, resume: str | None) -> SessionResult:
        session, config = self._session, self._config
        argv = arguments(config, session.model or config.model, session.max_turns, resume)
        env = environment(config, root=os.geteuid() == 0)
        said = control.line(control.request("begin", "initialize")) + control.line(control.user(session.prompt))
        child = await session.spawn(argv, env=env, stdin=said, keep_stdin=True, line_bytes=LINE_BYTES)
        pumping = asyncio.create_task(self._pump(child))
        steering = asyncio.create_task(self._steer(child, session)) if isinstance(session, Steered) else None
        try:
            await asyncio.wait([pumping])
            pumping.result()  # raises what taking a line raised
            result = _result(self.reading, await child.wait())
        except asyncio.CancelledError:
            await self._interrupt(child, pumping)
            if self.reading.session_id is None:
                raise
            result = SessionResult(False, "interrupted", None, self.reading.total_turns, self.reading.session_id)
        finally:
            tasks = [pumping, *self._answering.values(), *([steering] if steering is not None else [])]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for usage in self.reading.usage():  # a cancelled session has spent its tokens too
                await session.usage(usage)
        return result

    async def _pump(self, child: Child) -> None:
        async for batch in child.lines():
            known = self.reading.session_id
            before, ended = (self.reading.turns, self.reading.steps), self.reading.result
            lines: list[str] = []
            for line in batch:
                data = decoded(line)
                kind = data.get("type") if data is not None else None
                if data is not None and kind == "control_request":
                    self._begin_answer(child, data)
                elif data is not None and kind == "control_cancel_request":
                    self._drop_answer(str(data.get("request_id")))
                elif data is not None and (identity := control.heard(data)) is not None:
                    await self._heard(identity)
                else:
                    lines += self.reading.feed(line)
            if lines:
                await self._session.log(lines, "agent")
            for usage in self.reading.due():
                await self._session.usage(usage)
            if known is None and self.reading.session_id and isinstance(self._session, Resumable):
                await self._session.can_resume(self.reading.session_id)
            if (self.reading.turns, self.reading.steps) != before:
                message = f"turn {self.reading.turns}"
                await self._session.progress(message, turns=self.reading.turns, steps=self.reading.steps)
            if self.reading.result is not ended and not self._goes_on():
                await child.close_stdin()  # nothing more is said: it ends

    def _goes_on(self) -> bool:
        """Whether another turn follows the one that ended, as something is still to be said."""
        if self.reading.result is None:
            return True
        waits = isinstance(self._session, Steered) and self._session.steer_waits
        return (waits or bool(self._steers)) and self.reading.failure is None

    async def _steer(self, child: Child, steered: Steered) -> None:
        """Pass on what people say. The program puts it into its turn at the end of a tool call, else begins another with it."""
        with suppress(ProcessError):  # it is gone: the next attempt gets what this one did not
            while True:
                steer = await steered.next_steer()
                self._steers[steer.id] = steer
                await child.write(control.line(control.user(steer.text, steer.id)))

    async def _heard(self, identity: str) -> None:
        steer = self._steers.pop(identity, None)
        if steer is not None and isinstance(self._session, Steered):
            await self._session.log([f"told: {line}" for line in steer.text.splitlines()], "system")
            await self._session.steer_delivered(steer)

    def _begin_answer(self, child: Child, data: dict[str, Any]) -> None:
        """Answer a request of the program beside its output, which goes on."""
        identity = str(data.get("request_id"))
        asked = data.get("request")
        task = asyncio.create_task(self._answer(child, identity, asked if isinstance(asked, dict) else {}))
        self._answering[identity] = task
        task.add_done_callback(lambda _: self._answering.pop(identity, None))

    def _drop_answer(self, identity: str) -> None:
        if (task := self._answering.get(identity)) is not None:
            task.cancel()

    async def _answer(self, child: Child, identity: str, asked: dict[str, Any]) -> None:
        said = control.refusal(identity, "not supported")
        if asked.get("subtype") == "can_use_tool":
            try:
                allowed = await self._allowed(asked)
            except RigError as error:  # a lost lease, for one: the program must not wait for ever, nor be allowed
                await self._session.log([f"not asked: {error.message}"], "system")
                allowed = False
            said = control.permission(identity, asked, allowed)
        with suppress(ProcessError):
            await child.write(control.line(said))

    async def _allowed(self, asked: dict[str, Any]) -> bool:
        answer = None
        text = control.question(asked)
        if text is None:
            await self._session.log(["not approved: a command that is too long to be shown to a person"], "system")
            return False
        if self._config.approval == "ask" and isinstance(self._session, Asks):
            answer = await self._session.ask(text, (APPROVE, DENY), deadline_seconds=self._config.ask_seconds)
        allowed = answer is not None and answer.approved is True
        await self._session.log([f"{'approved' if allowed else 'not approved'}: {text.splitlines()[0]}"], "system")
        return allowed

    async def _interrupt(self, child: Child, pumping: "asyncio.Task[None]") -> None:
        """End the turn that runs, so that the session can be gone on with; what does not work out is left to Rig's signals."""
        with suppress(ProcessError, TimeoutError):
            async with asyncio.timeout(INTERRUPT_SECONDS):
                await child.write(control.line(control.request("interrupt", "interrupt")))
                await asyncio.wait([pumping])
        if self.reading.result is not None:
            await self._session.log(["the turn was interrupted"], "system")


def _result(reading: Reading, status: int) -> SessionResult:
    reason = reading.failure or ""
    if not reason and status != 0:
        reason = f"claude exited with {status}" if status > 0 else f"claude was ended by signal {-status}"
    if not reason and reading.result is None:
        reason = "claude ended without a result"
    return SessionResult(
        ok=not reason,
        reason=reason,
        summary=reading.summary,
        turns=reading.total_turns,
        session_id=reading.session_id,
    )
