"""Loads plugins one by one: a broken one gets a record that says why, and everything else goes on (I30).

A plugin is a module that an entry point of the group ``rig`` names. It may declare ``RIG_REQUIRES``, a version range of Rig
such as ``">=0.1,<0.2"``, and ``RIG_CONFIG``, the pydantic model of its ``[plugins.<name>]``: a class, or its place as
``"package.module:Name"`` so that it is imported late.
"""

import importlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import pluggy

import rig
from rig.errors import ConfigError, PluginError, RigError
from rig.plugin import hookspecs
from rig.plugin.calls import CallLog
from rig.plugin.contexts import Fault
from rig.plugin.files import FileEntry, file_entries
from rig.plugin.guard import Guard, in_thread
from rig.plugin.implementations import misuse
from rig.plugin.isolated import PluginProcess
from rig.plugin.marker import PROJECT
from rig.plugin.origins import namesakes
from rig.plugin.parcels import Thing
from rig.plugin.raised import Died, describe
from rig.plugin.settings import RESERVED, PluginSettings
from rig.plugin.tables import own, revealed, validated


class Broken(Exception):
    """Why a plugin can't be used, as ``state`` and text of its record."""

    def __init__(self, state: str, text: str) -> None:
        super().__init__(text)
        self.state = state
        self.text = text


@dataclass
class Loaded:
    """A plugin as the host keeps it."""

    entries: tuple[EntryPoint, ...]
    """What is called so; where there are several none is loaded."""
    guard: Guard
    state: str = "enabled"
    hooks: tuple[str, ...] = ()
    config: Any = None
    model: Any = None
    """The pydantic model of its configuration, None when it declares none."""
    module: ModuleType | None = None
    """None until it is loaded, and in a process of its own."""
    process: PluginProcess | None = None
    """Where it runs when it is isolated."""
    things: Sequence[Thing] = ()
    """What its process says that it registered."""

    @property
    def entry(self) -> EntryPoint:
        return self.entries[0]


class Loader:
    """Brings the plugins of one host into its pluggy manager, and calls its registration hooks."""

    def __init__(
        self,
        settings: PluginSettings,
        entries: Iterable[EntryPoint] | None = None,
        on_fault: Callable[[Fault], None] | None = None,
        calls: CallLog | None = None,
    ) -> None:
        self._calls = calls
        self.plugins: dict[str, Loaded] = {}
        """By name, in order of name."""
        self._settings = settings
        self._entries = entries
        self._on_fault = on_fault
        self._lost = 0.0
        """Seconds that late plugins have taken."""
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)

    def load(self) -> None:
        """Load what is installed and what is in the folder. Never raises for a plugin's sake; ``strict`` is the host's matter."""
        installed = entry_points(group=PROJECT) if self._entries is None else self._entries
        folder = self._settings.folder
        entries = [*installed, *(file_entries(folder) if folder is not None else ())]
        named: dict[str, dict[str, EntryPoint]] = {}
        for entry in sorted(entries, key=lambda e: (e.name, e.value)):
            named.setdefault(entry.name, {}).setdefault(entry.value, entry)  # the same line may be found twice on the path
        for name, found in named.items():
            guard = Guard(name, strikes=self._settings.strikes, on_fault=self._on_fault, log=self._calls)
            plugin = self.plugins[name] = Loaded(tuple(found.values()), guard)
            if name in self._settings.disabled or not self.allowed(name):
                plugin.state = "disabled"
            else:
                self._try(plugin)

    def allowed(self, name: str) -> bool:
        """Whether ``[plugins] allow`` and ``RIG_LOAD_PLUGINS`` let a plugin in at all."""
        return all(names is None or name in names for names in (self._settings.only, self._settings.allow))

    def _try(self, plugin: Loaded) -> None:
        try:
            with plugin.guard.loading():
                self._admit(plugin)
        except Broken as broken:
            self.fail(plugin, broken.state, broken.text)

    def disable(self, plugin: Loaded) -> None:
        """Take a plugin's hooks out."""
        self.fail(plugin, "disabled", plugin.guard.last_error)

    def enable(self, plugin: Loaded) -> None:
        """Put a disabled plugin's hooks back in, or load it again where that failed; blocking."""
        self._lost = 0.0
        plugin.state = "enabled"
        plugin.guard.last_error = None
        if plugin.module is None:
            self._try(plugin)
        else:
            self._manager.register(plugin.module, plugin.entry.name)

    def implementations(self, hook: str) -> list[tuple[Loaded, Callable[..., Any], int]]:
        """(plugin, function, number of its arguments) of every implementation of a hook, by the plugin's name."""
        found = sorted(getattr(self._manager.hook, hook).get_hookimpls(), key=lambda i: str(i.plugin_name))
        return [(self.plugins[i.plugin_name], i.function, len(i.argnames)) for i in found]

    def register(self, plugin: Loaded, hook: str, context: type[Any], accept: Callable[[Any], str | None]) -> None:
        """Call a plugin's registration hook, if it has it, and hand each thing that it returns to ``accept``.

        ``accept`` says what is wrong with a thing, None when it took it; a plugin with a wrong thing is broken.
        """
        for owner, function, arity in self.implementations(hook):
            if owner is not plugin:
                continue
            arguments = [context(rig_version=rig.__version__, plugin=plugin.entry.name, config=plugin.config)][:arity]
            try:
                with self._patience() as seconds:
                    given = plugin.guard.call_blocking(hook, function, *arguments, deadline=seconds)
                if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
                    raise Broken("load_error", f"{hook} must return a list, not {type(given).__name__}")
                for thing in given:
                    if wrong := accept(thing):
                        raise Broken("load_error", f"{hook}: {wrong}")
            except Broken as broken:
                self.fail(plugin, broken.state, broken.text)
            except ConfigError as error:
                self.fail(plugin, "config_error", error.message)
            except PluginError:
                self.fail(plugin, "load_error", plugin.guard.last_error or f"{hook} failed")
            except Exception as error:  # noqa: BLE001 - its own RigError, or what iterating over its answer raised
                self.fail(plugin, "load_error", f"{hook}: {plugin.guard.told(error)}")

    def fail(self, plugin: Loaded, state: str, text: str | None) -> None:
        """Mark a plugin as broken, take its hooks out and end its process."""
        plugin.state = state
        plugin.guard.last_error = text
        if self._manager.has_plugin(plugin.entry.name):
            self._manager.unregister(name=plugin.entry.name)
        if plugin.process is not None:
            plugin.process.stop()
            plugin.process = None

    def _admit(self, plugin: Loaded) -> None:
        name = plugin.entry.name
        if name in RESERVED:
            raise Broken("load_error", f"{name} is a reserved name")
        if len(plugin.entries) > 1:
            raise Broken("load_error", namesakes(plugin.entries))
        try:
            table = revealed(self._settings.config.get(name, {}), self._settings.secret)
        except RigError as error:
            raise Broken("config_error", error.message) from None
        if table.get("isolate") == "process":
            self._start(plugin, table)
            return
        plugin.guard.package = (
            plugin.entry.package if isinstance(plugin.entry, FileEntry) else plugin.entry.value.partition(".")[0]
        )
        module = self._timely(plugin.guard, plugin.entry.load, "import")
        if not isinstance(module, ModuleType):
            raise Broken("load_error", f"the entry point must name a module, not {type(module).__name__}")
        self._check_version(getattr(module, "RIG_REQUIRES", None))
        model = getattr(module, "RIG_CONFIG", None)
        if isinstance(model, str):
            model = self._timely(plugin.guard, partial(_resolve, model), f"import of {model}")
        plugin.model = model
        try:
            validate = partial(validated, model, own(table, model), f"plugins.{name}")
            plugin.config = self._timely(plugin.guard, validate, "validation")
        except ConfigError as error:
            raise Broken("config_error", error.message) from None
        if wrong := misuse(module):
            raise Broken("load_error", wrong)
        try:
            self._manager.register(module, name)
            self._manager.check_pending()
        except Exception as error:  # noqa: BLE001 - pluggy reads every attribute of the module
            raise Broken("load_error", describe(error)) from None
        found = self._manager.get_hookcallers(module) or []
        plugin.hooks = tuple(sorted(caller.name for caller in found))
        for caller in found:
            if any(i.hookwrapper or i.wrapper for i in caller.get_hookimpls() if i.plugin_name == name):
                raise Broken("load_error", f"{caller.name} is a wrapper, and plugins don't wrap each other")
        plugin.module = module

    def _start(self, plugin: Loaded, table: Mapping[str, Any]) -> None:
        """Load a plugin in a process of its own; what it registered comes with its first word."""
        process = PluginProcess(plugin.entry.name, plugin.entry, own(table, None), self._settings.load_seconds)
        try:
            with self._patience():
                opened = process.start()
        except Died as died:
            raise Broken("load_error", str(died)) from None
        if opened.state != "enabled":
            process.stop()
            raise Broken(opened.state, opened.error or "it could not be loaded")
        plugin.hooks, plugin.things = tuple(opened.hooks), opened.things
        plugin.process = process

    @contextmanager
    def _patience(self) -> Iterator[float]:
        """How many seconds the plugin's code may take now; the daemon is to start, however many plugins hang."""
        whole = self._settings.load_seconds
        seconds, began = max(whole / 5, whole - self._lost), time.monotonic()
        try:
            yield seconds
        finally:
            spent = time.monotonic() - began
            if spent >= seconds:
                self._lost += spent

    def _timely(self, guard: Guard, function: Callable[[], Any], what: str) -> Any:
        """The answer of the plugin's code, or Broken when it raises anything or takes too long."""
        future = in_thread(function)
        try:
            with self._patience() as seconds:
                return future.result(seconds)
        except FutureTimeout as error:
            if not future.done():
                raise Broken("load_error", f"{what} took longer than {seconds:g} s") from None
            raise Broken("load_error", guard.told(error)) from None
        except ConfigError:
            raise
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything, SystemExit included
            raise Broken("load_error", guard.told(error)) from None

    def _check_version(self, wanted: object) -> None:
        if wanted is None:
            return
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            fits = SpecifierSet(str(wanted)).contains(rig.__version__, prereleases=True)
        except InvalidSpecifier:
            raise Broken("load_error", f"RIG_REQUIRES is not a version range: {wanted}") from None
        if not fits:
            raise Broken("load_error", f"needs rig {wanted}, and this is {rig.__version__}")


def _resolve(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def faults(plugins: Iterable[Loaded]) -> dict[str, str]:
    """Name to what is wrong with each plugin that could not be loaded."""
    return {p.entry.name: p.guard.last_error or p.state for p in plugins if p.state in ("load_error", "config_error")}
