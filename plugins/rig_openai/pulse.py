"""Signs of life while something is waited for that has a limit of its own: a server, or a command."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rig import Session

BEAT_SECONDS = 5.0


@asynccontextmanager
async def alive(session: Session) -> AsyncIterator[None]:
    """What is waited for inside does not count as silence of the session (``dispatch.stall_timeout_ms``)."""
    beating = asyncio.create_task(_beat(session))
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)


async def _beat(session: Session) -> None:
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        await session.log([], "agent")
