"""Waiting for something to be so: for a daemon that takes work, for issues that reach a state."""

import asyncio
from collections.abc import Collection
from contextlib import aclosing

from rig.client.connection import Client
from rig.errors import RigError, WaitedTooLong

ENDED = frozenset({"done", "failed"})
"""States of an issue, in the API's words, after which nothing more happens by itself."""
PAUSE = 0.05


async def until_ready(client: Client, seconds: float = 10.0) -> None:
    """Return once the daemon takes work. Raises WaitedTooLong."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    await client.call("get_ready")
                    return
                except RigError:
                    await asyncio.sleep(PAUSE)
    except TimeoutError:
        raise WaitedTooLong(f"{client.target.url} was not ready within {seconds:g} s") from None


async def until_state(client: Client, issue: str, states: Collection[str] = ENDED, *, seconds: float = 600.0) -> str:
    """The state of an issue once it is one of ``states`` (the API's words). Raises NotFound, WaitedTooLong."""
    try:
        async with asyncio.timeout(seconds):
            trace = await client.call("get_issue_trace", id=issue)
            if trace["currentState"] in states:
                return str(trace["currentState"])
            async with aclosing(client.events(trace["asOf"], id=issue)) as frames:
                async for _ in frames:
                    trace = await client.call("get_issue_trace", id=issue)
                    if trace["currentState"] in states:
                        break
            return str(trace["currentState"])
    except TimeoutError:
        raise WaitedTooLong(f"{issue} was not {' or '.join(sorted(states))} within {seconds:g} s") from None
