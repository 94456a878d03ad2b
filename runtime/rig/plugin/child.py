"""The process of an isolated plugin: ``python -m rig.plugin.child``. Loads one plugin and serves calls until its stdin ends.

The real stdout is the pipe to the daemon; what the plugin prints goes to stderr, which the daemon reads as its log.
"""

import asyncio
import dataclasses
import inspect
import os
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any, BinaryIO

import msgspec

from rig.errors import NotSent, TrackerUnavailable
from rig.plugin import parcels
from rig.plugin.files import FileEntry
from rig.plugin.guard import Guard, in_thread
from rig.plugin.kinds import ISOLATED, Kind
from rig.plugin.loader import Loader
from rig.plugin.marker import PROJECT
from rig.plugin.settings import PluginSettings


class Child:
    """The plugin and the pipe."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._guard = Guard("")
        """The plugin's, once it is loaded."""
        self._things: dict[tuple[str, str], Any] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def open(self, opening: parcels.Opening) -> None:
        """Load the plugin and tell what it registered."""
        make = FileEntry if opening.is_file else EntryPoint
        entry = make(name=opening.name, value=opening.value, group=PROJECT)
        loader = Loader(PluginSettings(config={opening.name: opening.config}), [entry])
        loader.load()
        plugin = loader.plugins[opening.name]
        self._guard = plugin.guard
        for hook in plugin.hooks:
            if hook not in ISOLATED:
                loader.fail(plugin, "load_error", f"{hook} is not for a plugin in a process of its own")
        told: list[parcels.Thing] = []
        for kind in ISOLATED.values():

            def accept(thing: Any, kind: Kind = kind) -> str | None:
                if wrong := kind.wrong(thing):
                    return wrong
                self._things[kind.hook, str(thing.name)] = thing
                kinds = list(getattr(thing, "kinds", ()))
                told.append(parcels.Thing(kind.hook, str(thing.name), bool(getattr(thing, "critical", False)), kinds))
                return None

            if plugin.state == "enabled":
                loader.register(plugin, kind.hook, kind.context, accept)
        error = None if plugin.state == "enabled" else plugin.guard.last_error
        self._say(parcels.Opened(list(plugin.hooks), told, plugin.state, error))

    async def serve(self, lines: asyncio.StreamReader) -> None:
        """Answer calls until there are no more."""
        while line := await lines.readline():
            ask = parcels.read_ask(line)
            if not ask.hook:
                if task := self._tasks.get(ask.id):
                    task.cancel()
                continue
            self._tasks[ask.id] = asyncio.create_task(self._answer(ask))

    async def _answer(self, ask: parcels.Ask) -> None:
        try:
            thing = self._things[ask.hook, ask.name]
            if ask.hook == "rig_register_health_checkers":
                answer = await _await(thing.check, parcels.unpack_health(ask.context))
            elif ask.hook == "rig_register_notifiers":
                answer = await _await(thing.send, parcels.unpack_notification(ask.context))
            elif ask.hook == "rig_register_trackers":
                answer = await self._track(thing, ask.context)
            else:
                answer = await _await(thing.run, parcels.unpack_step(ask.context, getattr(thing, "params", None)))
            said = None if answer is None else dataclasses.asdict(answer)
            parcels.encode(said)
        except asyncio.CancelledError:
            raise
        except NotSent as error:
            self._say(parcels.Answer(ask.id, None, error.message, "not_sent", error.retry_after, error.final))
        except TrackerUnavailable as error:
            self._say(parcels.Answer(ask.id, None, error.message, "tracker_unavailable", error.retry_after))
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything, and the daemon is told
            self._say(parcels.Answer(ask.id, error=self._guard.told(error)))
        else:
            self._say(parcels.Answer(ask.id, said))
        finally:
            self._tasks.pop(ask.id, None)

    async def _track(self, tracker: Any, asked: dict[str, Any]) -> Any:
        if "ids" in asked:
            return parcels.Found(list(await _await(tracker.fetch, asked["ids"])))
        return await _await(tracker.poll, parcels.unpack_poll(asked))

    def _say(self, message: msgspec.Struct) -> None:
        self._out.write(parcels.encode(message) + b"\n")
        self._out.flush()


async def _await(function: Callable[..., Any], context: object) -> Any:
    if inspect.iscoroutinefunction(function):
        return await function(context)
    answer = await asyncio.wrap_future(in_thread(function, context))
    return await answer if inspect.isawaitable(answer) else answer


async def _main(out: BinaryIO) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=8 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    child = Child(out)
    child.open(parcels.read_opening(await reader.readline()))
    await child.serve(reader)


if __name__ == "__main__":
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    asyncio.run(_main(pipe))
    os._exit(0)  # threads of the plugin are not waited for
