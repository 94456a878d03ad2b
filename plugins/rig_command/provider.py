"""Runs ``bash -lc COMMAND`` in the workspace; its stdout is the log, and some of its lines are events (conventions §9)."""

import asyncio

from pydantic import Field

from rig import Asks, ProviderConfig, RigError, Session, SessionResult
from rig_command.lines import Bad, Progress, Question, Result, read

UNKNOWN_MODEL = "unknown"
"""Model of a usage line that names none, where neither the job nor the configuration does."""


class CommandConfig(ProviderConfig):
    """``[providers.command]``."""

    command: str = Field(min_length=1)
    """Shell text; gets the prompt on stdin, and RIG_URL, RIG_TOKEN, RIG_LEASE, RIG_JOB_ID and RIG_ISSUE in its environment."""


class CommandProvider:
    """Drives one program a session; exit 0 is success."""

    name = "command"

    async def run(self, session: Session) -> SessionResult:
        config: CommandConfig = session.config
        model = session.model or config.model or UNKNOWN_MODEL
        child = await session.spawn(["bash", "-lc", config.command], stdin=session.prompt.encode())
        result = Result()
        turns = 0
        asking: list[asyncio.Task[None]] = []
        try:
            async for batch in child.lines():
                await session.log([line.decode("utf-8", "replace") for line in batch])
                for line in batch:
                    event = read(line, model)
                    if event is None:
                        continue
                    if isinstance(event, Progress):
                        turns = event.turns or turns
                        await session.progress(event.message, turns=event.turns, steps=event.steps)
                    elif isinstance(event, Question):
                        if isinstance(session, Asks):
                            asking.append(asyncio.create_task(_ask(session, session, event)))
                        else:
                            await session.progress(f"asks: {event.question}")
                    elif isinstance(event, Result):
                        result = event
                    elif isinstance(event, Bad):
                        await session.log([f"not an event: {event.reason}"], "system")
                    else:
                        await session.usage(event)
            status = await child.wait()
        finally:  # nobody is left who wants to know
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        return SessionResult(
            ok=status == 0,
            reason="" if status == 0 else f"exit {status}" if status > 0 else f"signal {-status}",
            summary=result.summary,
            turns=result.turns or turns,
            session_id=result.session_id,
        )


async def _ask(session: Session, asks: Asks, question: Question) -> None:
    """Put a question beside the output, which goes on; the program reads the answer over HTTP, people read it in the log."""
    try:
        answer = await asks.ask(question.question, question.options, deadline_seconds=question.deadline_seconds)
    except RigError as error:
        await session.log([f"not asked: {error.message}"], "system")
    else:
        await session.log(["nobody answered in time" if answer is None else f"answered: {answer.text}"], "system")
