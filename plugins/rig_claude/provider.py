"""Drives Claude Code in its non-interactive mode: the prompt on stdin, one JSON object a line on stdout."""

import os

from rig import Child, Session, SessionResult
from rig_claude.config import ClaudeConfig
from rig_claude.stream import NO_SESSION, Reading

QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_BUG_COMMAND": "1",
}
"""Keeps the program off every address but its model API's."""


def arguments(config: ClaudeConfig, model: str | None, max_turns: int, resume: str | None) -> list[str]:
    """The command line. The prompt is not in it: it may be long, begin with a dash, and argv is public."""
    argv = [config.command, "-p", "--output-format", "stream-json", "--verbose"]
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
        result, reading = await self._attempt(session, session.resume)
        if session.resume and not result.ok and NO_SESSION in (reading.failure or ""):
            await session.log([f"session {session.resume} is gone, starting afresh"], "system")
            result, _ = await self._attempt(session, None)
        return result

    async def _attempt(self, session: Session, resume: str | None) -> tuple[SessionResult, Reading]:
        config: ClaudeConfig = session.config
        argv = arguments(config, session.model or config.model, session.max_turns, resume)
        env = environment(config, root=os.geteuid() == 0)
        child = await session.spawn(argv, env=env, stdin=session.prompt.encode())
        reading = Reading()
        try:
            await _pump(session, child, reading)
            status = await child.wait()
        finally:  # a cancelled session has spent its tokens too
            for usage in reading.usage():
                await session.usage(usage)
        return _result(reading, status), reading


async def _pump(session: Session, child: Child, reading: Reading) -> None:
    async for batch in child.lines():
        before = (reading.turns, reading.steps)
        lines = [text for line in batch for text in reading.feed(line)]
        if lines:
            await session.log(lines, "agent")
        if (reading.turns, reading.steps) != before:
            await session.progress(f"turn {reading.turns}", turns=reading.turns, steps=reading.steps)


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
