"""A roster: whoever is on it is served by a task of its own, for as long as it is on it."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

log = logging.getLogger(__name__)


async def serve_all(
    names: Callable[[], Iterable[str]], serve: Callable[[str], Coroutine[Any, Any, None]], *, look: float
) -> None:
    """Serve all ``names`` until cancelled, asking every ``look`` seconds anew who they are.

    ``serve`` runs until it is cancelled, which happens when its name is gone; a name that comes back while that takes time waits
    for it, so nothing is ever served twice at a time. One that fails is begun again at the next look and disturbs no other.
    """
    tasks: dict[str, asyncio.Task[None]] = {}
    try:
        while True:
            wanted = frozenset(names())
            for name, task in list(tasks.items()):
                if task.done():
                    del tasks[name]
                    if not task.cancelled() and (error := task.exception()) is not None:
                        log.error("serving %s failed", name, exc_info=error)
                elif name not in wanted and not task.cancelling():
                    task.cancel()
            for name in wanted - tasks.keys():
                tasks[name] = asyncio.create_task(serve(name), name=f"serving {name}")
            await asyncio.sleep(look)
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
