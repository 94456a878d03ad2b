"""Plays a script: real files in the real workspace, made-up words and tokens."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from string import Template

from rig import Asks, Session, SessionResult, Steered, Usage, WorkspaceError
from rig_mock.script import DEFAULT_MODEL, MockConfig, Spent, Turn, drawn, script_of


class MockProvider:
    """Plays the session's script turn by turn."""

    name = "mock"

    async def run(self, session: Session) -> SessionResult:
        config: MockConfig = session.config
        model = session.model or config.model or DEFAULT_MODEL
        script = script_of(config, session.issue, session.prompt)
        fill = {"issue": session.issue, "execution": session.execution_id}
        said = ""
        steps = 0
        for number, (turn, tokens) in enumerate(zip(script, drawn(config.seed, session.issue, len(script)), strict=True), 1):
            if session.max_turns and number > session.max_turns:
                return SessionResult(False, f"reached the maximum of {session.max_turns} turns", said or None, number - 1)
            await asyncio.sleep(turn.delay_ms / 1000)
            text = Template(turn.text).safe_substitute(fill)
            if text:
                said = text
                await session.log(text.splitlines(), "agent")
            if turn.ask and isinstance(session, Asks):
                question = Template(turn.ask).safe_substitute(fill)
                answer = await session.ask(question, turn.options, deadline_seconds=turn.deadline_seconds)
                fill["answer"] = "deny" if answer is None else answer.text
                await session.log([f"asked: {question}", f"answer: {fill['answer']}"], "agent")
            if isinstance(session, Steered):
                while session.steer_waits or (turn.steer and "steer" not in fill):
                    fill["steer"] = await told(session, session)
            lines = await asyncio.to_thread(play, session.workspace, turn, fill)
            steps += len(lines)
            if lines:
                await session.log(lines, "agent")
            await session.usage(_usage(turn.usage or tokens, model))
            await session.progress(f"turn {number} of {len(script)}", turns=number, steps=steps)
            if turn.hang:
                await asyncio.Event().wait()
            if turn.raises is not None:
                raise RuntimeError(turn.raises)
            if turn.fail is not None:
                return SessionResult(False, turn.fail, said or None, number)
        while isinstance(session, Steered) and session.steer_waits:
            await told(session, session)
        return SessionResult(True, summary=said or None, turns=len(script))


async def told(session: Session, steered: Steered) -> str:
    """The next thing that is said, which is in the log, too."""
    steer = await steered.next_steer()
    await session.log([f"told: {line}" for line in steer.text.splitlines()], "agent")
    await steered.steer_delivered(steer)
    return steer.text


def play(workspace: Path, turn: Turn, fill: Mapping[str, str]) -> list[str]:
    """Do to the workspace what a turn says; gives a log line for each file. Raises WorkspaceError for a path outside."""
    lines = []
    for mode, files in (("w", turn.write), ("a", turn.append)):
        for name, content in files.items():
            path, name = _inside(workspace, name, fill)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open(mode, encoding="utf-8") as file:
                file.write(Template(content).safe_substitute(fill))
            lines.append(f"[tool] {'Write' if mode == 'w' else 'Append'} {name}")
    for name in turn.delete:
        path, name = _inside(workspace, name, fill)
        path.unlink(missing_ok=True)
        lines.append(f"[tool] Delete {name}")
    return lines


def _inside(workspace: Path, name: str, fill: Mapping[str, str]) -> tuple[Path, str]:
    name = Template(name).safe_substitute(fill)
    root = workspace.resolve()
    path = (root / name).resolve()
    if path == root or not path.is_relative_to(root) or ".git" in path.relative_to(root).parts:
        raise WorkspaceError(f"the script may not touch {name}: it is not a file of the workspace")
    return path, name


def _usage(spent: Spent, model: str) -> Usage:
    return Usage(spent.model or model, spent.input, spent.output, spent.cache_read, spent.cache_creation)
