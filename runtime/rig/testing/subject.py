"""The plugin under test, loaded as the daemon loads it."""

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from rig.plugin import admission
from rig.plugin.commands import HOOK
from rig.plugin.contexts import CommandsContext
from rig.plugin.files import FileEntry
from rig.plugin.kinds import KINDS
from rig.plugin.loader import Loaded, Loader
from rig.plugin.marker import PROJECT
from rig.plugin.settings import PluginSettings

Target = ModuleType | str | Path
"""A plugin's module, the module's name, or the file of a one-file plugin."""

ADDRESSES = ("url", "base_url", "api_url", "endpoint")
"""Fields of a configuration that say whom the plugin talks to."""
SECRETS = ("secret", "token", "api_key", "key")
MADE_UP = "whsec_" + "c2VjcmV0" * 4
"""A secret that is base64 too, as Standard Webhooks wants it."""

_KINDS = {kind.hook: (kind.context, kind.wrong) for kind in KINDS} | {HOOK: (CommandsContext, admission.command)}


def entry_of(target: Target) -> EntryPoint:
    """The entry point of a plugin: the installed one where there is, else one by the module's or file's name."""
    if isinstance(target, Path):
        return FileEntry(name=target.stem, value=str(target.resolve()), group=PROJECT)
    name = target if isinstance(target, str) else target.__name__
    installed = next((e for e in entry_points(group=PROJECT) if e.value == name), None)
    return installed or EntryPoint(name.removeprefix("rig_").replace("_", "-"), name, PROJECT)


class Subject:
    """A plugin that was loaded with a configuration, by itself."""

    def __init__(self, target: Target, config: Mapping[str, Any] | None = None) -> None:
        entry = entry_of(target)
        self.name = entry.name
        self._loader = Loader(PluginSettings(config={entry.name: dict(config or {})}), entries=[entry])
        self._loader.load()
        self.loaded: Loaded = self._loader.plugins[entry.name]

    @property
    def error(self) -> str | None:
        """Why it can't be used, None when it can."""
        return None if self.loaded.state == "enabled" else f"{self.loaded.state}: {self.loaded.guard.last_error}"

    def registered(self, hook: str) -> list[Any]:
        """What its registration hook gives, itself and unguarded. Raises AssertionError where the daemon would call it broken."""
        context, wrong = _KINDS[hook]
        things: list[Any] = []

        def accept(thing: Any) -> str | None:
            things.append(thing)
            return wrong(thing)

        self._loader.register(self.loaded, hook, context, accept)
        if self.error:
            raise AssertionError(self.error)
        return things

    def implementation(self, hook: str) -> tuple[Callable[..., Any], int] | None:
        """(function, number of its arguments) of a hook that it implements."""
        return next(((function, arity) for _, function, arity in self._loader.implementations(hook)), None)


def addressed(target: Target, url: str, config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A configuration with which a plugin talks to ``url``, None where its model has no field for an address.

    A secret that is not given is made up.
    """
    model = Subject(target, config).loaded.model
    fields = getattr(model, "model_fields", {})
    address = next((name for name in ADDRESSES if name in fields), None)
    if address is None:
        return None
    return {**{name: MADE_UP for name in SECRETS if name in fields}, **config, address: url}
