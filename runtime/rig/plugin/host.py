"""The plugins of one daemon: loads them, holds what they registered, and lets the rest of Rig call it guarded.

Made by the composition root; there is no other. Nothing here is global, so two hosts in one process know nothing of each other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import EntryPoint
from typing import Any

from rig.clock import Clock
from rig.errors import ConfigError, Conflict, NotFound, PluginError
from rig.model.health import CheckResult
from rig.plugin.calls import CallLog
from rig.plugin.contexts import Fault
from rig.plugin.guarded import (
    GuardedNotifier,
    GuardedOperation,
    GuardedPrices,
    GuardedProvider,
    GuardedSource,
    GuardedStep,
    GuardedTracker,
)
from rig.plugin.health import HealthBoard, Watched
from rig.plugin.hookspecs import HOOKS
from rig.plugin.kinds import KINDS, Kind
from rig.plugin.loader import Loaded, Loader, faults
from rig.plugin.origins import taken
from rig.plugin.raised import headline
from rig.plugin.record import BROKEN, OperationRecord, PluginRecord
from rig.plugin.settings import PluginSettings


async def _silently() -> None:
    return None


class PluginHost:
    """Every plugin of the daemon and everything that they registered.

    ``on_fault`` hears of each fault, on the loop or, while loading, on the thread that loads; it must neither raise nor block.
    ``entries`` replaces the installed entry points, for tests.
    """

    def __init__(
        self,
        settings: PluginSettings | None = None,
        *,
        on_fault: Callable[[Fault], None] | None = None,
        entries: Iterable[EntryPoint] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings or PluginSettings()
        self.calls = CallLog(clock)
        self.providers: dict[str, GuardedProvider] = {}
        """By the name in ``[providers.<name>]``."""
        self.webhook_sources: dict[str, GuardedSource] = {}
        """By type."""
        self.notifiers: dict[str, GuardedNotifier] = {}
        """By name."""
        self.trackers: dict[str, GuardedTracker] = {}
        """By the name in ``tracker.kind``."""
        self.step_kinds: dict[str, GuardedStep] = {}
        """By the name in a step's ``kind``."""
        self.price_sources: dict[str, GuardedPrices] = {}
        """By name, in the order in which they are asked."""
        self.operations: dict[str, GuardedOperation] = {}
        """By ``<plugin>/<name>``."""
        self._watched: dict[str, Watched] = {}
        self._registries: dict[str, dict[str, Any]] = {
            "rig_register_providers": self.providers,
            "rig_register_webhook_sources": self.webhook_sources,
            "rig_register_health_checkers": self._watched,
            "rig_register_notifiers": self.notifiers,
            "rig_register_trackers": self.trackers,
            "rig_register_step_kinds": self.step_kinds,
            "rig_register_price_sources": self.price_sources,
            "rig_register_operations": self.operations,
        }
        self._owned: dict[str, dict[tuple[str, str], Any]] = {}
        """Plugin to what it registered, by hook and key; kept while the plugin is disabled."""
        self._switching = asyncio.Lock()
        self._loader = Loader(self.settings, entries, on_fault, self.calls)

    def load(self) -> None:
        """Load and register everything that is installed and wanted; call it once, before the daemon serves.

        Raises PluginError naming each broken plugin when ``settings.strict``.
        """
        self._loader.load()
        for plugin in self._loader.plugins.values():
            if plugin.state == "enabled":
                self._register(plugin)
        if self.settings.strict and (broken := self.faults()):
            lines = [f"{name}: {error}" for name, error in broken.items()]
            raise PluginError("RIG_STRICT_PLUGINS is set and a plugin is broken: " + "; ".join(lines), faults=lines)

    # What there is

    def faults(self) -> dict[str, str]:
        """Name to what is wrong with each plugin that could not be loaded."""
        return faults(self._loader.plugins.values())

    def records(self) -> list[PluginRecord]:
        """A row for each plugin, by name."""
        return [self._record(plugin) for plugin in self._loader.plugins.values()]

    def _record(self, plugin: Loaded) -> PluginRecord:
        guard, dist = plugin.guard, plugin.entry.dist
        state: Any = "quarantined" if plugin.state == "enabled" and guard.quarantined else plugin.state
        return PluginRecord(
            name=plugin.entry.name,
            distribution=None if dist is None else dist.name,
            version=None if dist is None else dist.version,
            state=state,
            hooks=plugin.hooks,
            calls=guard.calls,
            ms_per_call=guard.ms_per_call,
            strikes=guard.strikes,
            last_error=guard.last_error,
            deprecated=tuple(f"{hook}: {note}" for hook in plugin.hooks if (note := HOOKS[hook].deprecated)),
            operations=self._operations(plugin.entry.name),
        )

    def _operations(self, plugin: str) -> tuple[OperationRecord, ...]:
        found = [guarded for _, guarded in sorted(self.operations.items()) if guarded.plugin == plugin]
        return tuple(
            OperationRecord(g.operation.name, g.operation.method, g.operation.scope, g.summary, g.undescribed) for g in found
        )

    def provider(self, name: str) -> GuardedProvider:
        """The provider of that name. Raises ConfigError that names those there are."""
        if name not in self.providers:
            known = ", ".join(sorted(self.providers)) or "none"
            raise ConfigError(f"there is no provider {name!r}; installed: {known}", provider=name)
        return self.providers[name]

    def implementations(self, hook: str) -> list[tuple[Loaded, Callable[..., Any], int]]:
        """(plugin, function, number of its arguments) of every enabled implementation of a hook, by the plugin's name."""
        return self._loader.implementations(hook)

    def config_models(self) -> Mapping[str, Any]:
        """Plugin to the pydantic model of its ``[plugins.<name>]``, for the schema of the configuration."""
        return {name: p.model for name, p in self._loader.plugins.items() if p.model is not None}

    def health(self, clock: Clock, known: Callable[[], Sequence[tuple[str, CheckResult]]] = tuple) -> HealthBoard:
        """The board of every registered checker; broken plugins appear on it as ``plugin:<name>``, not critical.

        ``known`` gives (name, result) of what needs no check, such as notifiers; not critical either.
        """

        def uncritical() -> list[tuple[str, CheckResult]]:
            broken = [(f"plugin:{name}", CheckResult("Degraded", reason)) for name, reason in self._broken()]
            return [*known(), *broken]

        return HealthBoard(lambda: tuple(self._watched.values()), clock, known=uncritical)

    def _broken(self) -> list[tuple[str, str]]:
        rows = [r for r in self.records() if r.state in BROKEN]
        return [(r.name, f"{r.state}: {headline(r.last_error or '')}") for r in rows]

    # Switching plugins off and on

    async def switch(self, name: str, on: bool, say: Callable[[], Awaitable[None]] = _silently) -> PluginRecord:
        """Let a plugin in or take it out because somebody wants it so; what could not be loaded, or is quarantined, is tried again.

        One switch at a time. ``say`` is awaited before anything is done: when it raises, nothing is. Raises NotFound, Conflict.
        Whether it could be loaded is in the record.
        """
        async with self._switching:
            plugin = self._plugin(name)
            if on and not self._loader.allowed(name):
                raise Conflict(f"plugins.allow or RIG_LOAD_PLUGINS leaves {name} out")
            await say()
            await self._turn(plugin, on)
            return self._record(plugin)

    async def follow(self, disabled: Callable[[], Collection[str]]) -> None:
        """Switch what ``plugins.disabled`` says otherwise by now, whoever changed it.

        What was switched meanwhile is left as it is, also when it could not be loaded.
        """
        async with self._switching:
            out = disabled()
            for name, plugin in self._loader.plugins.items():
                on = name not in out
                if self._loader.allowed(name) and (plugin.state == "disabled") is on:
                    await self._turn(plugin, on)

    async def _turn(self, plugin: Loaded, on: bool) -> None:
        """Load a plugin, or end its process, off the loop."""
        turning = asyncio.ensure_future(asyncio.to_thread(self._enable if on else self._disable, plugin))
        try:
            await asyncio.shield(turning)
        except asyncio.CancelledError:  # the thread goes on, and the next switch is not to come in between
            await asyncio.wait({turning})
            raise

    def _disable(self, plugin: Loaded) -> None:
        """Take a plugin out: nothing calls it any more, but what runs goes on to its end."""
        name = plugin.entry.name
        for (hook, key), thing in self._owned.get(name, {}).items():
            if self._registries[hook].get(key) is thing:  # and not another's that has its name by now
                del self._registries[hook][key]
        if plugin.process is not None:
            self._owned.pop(name, None)  # its proxies know the process that ends now
        self._loader.disable(plugin)

    def _enable(self, plugin: Loaded) -> None:
        """Let a plugin in. One that was never loaded is loaded now."""
        plugin.guard.release()
        if plugin.state == "enabled":
            return
        self._loader.enable(plugin)
        if plugin.state == "enabled":
            self._register(plugin)

    def _plugin(self, name: str) -> Loaded:
        plugin = self._loader.plugins.get(name)
        if plugin is None:
            raise NotFound(f"there is no plugin {name!r}")
        return plugin

    def stop(self) -> None:
        """End the processes of isolated plugins, and wait for no call any more."""
        for plugin in self._loader.plugins.values():
            plugin.guard.close()
            if plugin.process is not None:
                plugin.process.stop()

    def _register(self, plugin: Loaded) -> None:
        """Have everything served that a plugin adds, asking for it where that was not done yet; or nothing, when it is broken."""
        name = plugin.entry.name
        owned = self._owned.get(name)
        if owned is None:
            owned = self._asked(plugin)
        else:
            for hook, key in owned:
                if wrong := self._taken(hook, key):
                    self._loader.fail(plugin, "load_error", f"{hook}: {wrong}")
                    break
        if plugin.state == "enabled":
            self._owned[name] = owned
            for (hook, key), guarded in owned.items():
                self._registries[hook][key] = guarded

    def _asked(self, plugin: Loaded) -> dict[tuple[str, str], Any]:
        """What a plugin registers, by hook and key."""
        owned: dict[tuple[str, str], Any] = {}
        name = plugin.entry.name

        def accept(thing: Any, kind: Kind) -> str | None:
            if wrong := kind.wrong(thing):
                return wrong
            key = kind.key(thing, name)
            if (kind.hook, key) in owned:
                return f"{key!r} is registered twice"
            if wrong := self._taken(kind.hook, key):
                return wrong
            owned[kind.hook, key] = kind.guarded(thing, name, plugin.guard, self.settings)
            return None

        for kind in KINDS:
            if plugin.state != "enabled":
                break
            if plugin.process is None:
                self._loader.register(plugin, kind.hook, kind.context, partial(accept, kind=kind))
            elif (proxy := kind.proxy) is not None:
                things = [proxy(plugin.process, thing) for thing in plugin.things if thing.hook == kind.hook]
                if wrong := next(filter(None, (accept(thing, kind) for thing in things)), None):
                    self._loader.fail(plugin, "load_error", f"{kind.hook}: {wrong}")
        return owned

    def _taken(self, hook: str, key: str) -> str | None:
        """What is wrong with a thing where another plugin has registered one by its name, None when that is free."""
        other = self._registries[hook].get(key)
        for name, things in self._owned.items():
            if other is not None and things.get((hook, key)) is other:
                return taken(key, self._loader.plugins[name].entry)
        return None
