"""The plugins that are installed beside the one under test: whether all of them could be loaded together."""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from rig.plugin.commands import plugin_commands
from rig.plugin.host import PluginHost
from rig.plugin.marker import PROJECT
from rig.plugin.settings import PluginSettings


def clashes(entry: EntryPoint, config: Mapping[str, Any], own: Collection[str]) -> list[str]:
    """What goes wrong with a plugin, or with another that goes well without it; ``own`` are the commands of ``rig`` itself."""
    others = tuple(e for e in entry_points(group=PROJECT) if (e.name, e.value) != (entry.name, entry.value))
    together = _faults((*others, entry), {entry.name: dict(config)}, own)
    alone = _alone(others, tuple(own))
    return [f"{name}: {error}" for name, error in together.items() if name not in alone]


@cache
def _alone(others: tuple[EntryPoint, ...], own: tuple[str, ...]) -> dict[str, str]:
    return _faults(others, {}, own)


def _faults(entries: Sequence[EntryPoint], config: Mapping[str, Any], own: Collection[str]) -> dict[str, str]:
    settings = PluginSettings(config=config)
    host = PluginHost(settings, entries=entries)
    host.load()
    host.stop()
    return plugin_commands(settings, own, entries)[1] | host.faults()
