"""Calls the before and after hooks of plugins: guarded, one implementation after the other, and free where there is none."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from rig.errors import PluginError, RigError
from rig.plugin.host import PluginHost
from rig.plugin.loader import Loaded

log = logging.getLogger(__name__)

BEFORE_SECONDS = 2.0
"""How long a before hook may hold things up."""
AFTER_SECONDS = 10.0
"""How long an after hook may take."""
BEHIND = 10_000
"""Moments that wait for a slow plugin, several batches of the log; more are dropped, one fault until it has caught up."""

A = TypeVar("A")


class Happenings:
    """The event hooks of one daemon's plugins."""

    def __init__(self, host: PluginHost) -> None:
        self._host = host
        self._waiting: dict[str, asyncio.Queue[tuple[str, Callable[..., Any], tuple[Any, ...]]]] = {}
        self._tellers: dict[str, asyncio.Task[None]] = {}
        self._behind: set[str] = set()
        """Plugins that moments were dropped for and that have not caught up since."""

    def wanted(self, hook: str) -> bool:
        """Whether any plugin implements a hook, so that a context need not be made in vain."""
        return bool(self._host.implementations(hook))

    async def ask(self, hook: str, context: Any, expect: type[A] | tuple[type[A], ...]) -> list[tuple[str, A]]:
        """(plugin, answer) of every implementation that answered something, by the plugin's name.

        One that fails, is late or is quarantined is passed over; its fault is recorded.
        """
        answers: list[tuple[str, A]] = []
        for plugin, function, arity in self._host.implementations(hook):
            if plugin.guard.quarantined:
                continue
            kinds = expect if isinstance(expect, tuple) else (expect,)
            try:
                answer = await plugin.guard.call(
                    hook,
                    function,
                    *(replace(context, config=plugin.config),)[:arity],
                    deadline=BEFORE_SECONDS,
                    expect=(*kinds, type(None)),
                )
            except PluginError as error:
                log.warning("%s", error.message)
            except RigError as error:
                log.warning("plugin %s refused in %s: %s", plugin.entry.name, hook, error.message)
            else:
                if answer is not None:
                    answers.append((plugin.entry.name, answer))
        return answers

    def tell(self, hook: str, context: Any) -> None:
        """Let every implementation know, in order and beside the work. Called on the loop; never raises."""
        for plugin, function, arity in self._host.implementations(hook):
            self._queue(plugin, hook, function, (replace(context, config=plugin.config),)[:arity])

    def _queue(self, plugin: Loaded, hook: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        name = plugin.entry.name
        queue = self._waiting.setdefault(name, asyncio.Queue(BEHIND))
        try:
            queue.put_nowait((hook, function, arguments))
        except asyncio.QueueFull:
            if not plugin.guard.quarantined and name not in self._behind:
                self._behind.add(name)
                plugin.guard.fault(hook, f"fell behind by {BEHIND} calls; until it has caught up some are dropped")
            return
        teller = self._tellers.get(name)
        if teller is None or teller.done():
            self._tellers[name] = asyncio.get_running_loop().create_task(self._tell(plugin, queue))

    async def _tell(self, plugin: Loaded, queue: "asyncio.Queue[tuple[str, Callable[..., Any], tuple[Any, ...]]]") -> None:
        while not queue.empty():
            hook, function, arguments = queue.get_nowait()
            try:
                await plugin.guard.call(hook, function, *arguments, deadline=AFTER_SECONDS)
            except RigError as error:
                log.debug("%s", error.message)
        self._behind.discard(plugin.entry.name)

    async def stop(self) -> None:
        """Tell no more; what is under way is cancelled."""
        for teller in self._tellers.values():
            teller.cancel()
        await asyncio.gather(*self._tellers.values(), return_exceptions=True)
