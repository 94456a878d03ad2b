"""Commands that plugins add to ``rig``; loaded by the command line when a name is not its own."""

from collections.abc import Collection, Iterable
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

from rig.plugin import admission
from rig.plugin.contexts import CommandsContext
from rig.plugin.loader import Loader, faults
from rig.plugin.origins import taken
from rig.plugin.settings import PluginSettings

if TYPE_CHECKING:
    import click

HOOK = "rig_register_commands"


def plugin_commands(
    settings: PluginSettings, own: Collection[str], entries: Iterable[EntryPoint] | None = None
) -> "tuple[dict[str, click.Command], dict[str, str]]":
    """Commands by name, and what is wrong with each plugin that is broken.

    The first plugin by name keeps a name that two want, and nobody gets one of ``own``, the commands that ``rig`` has itself.
    """
    loader = Loader(settings, entries)
    loader.load()
    found: dict[str, click.Command] = {}
    owners: dict[str, EntryPoint] = {}

    for plugin in loader.plugins.values():
        if plugin.state != "enabled":
            continue
        given: dict[str, click.Command] = {}

        def accept(command: "click.Command", given: "dict[str, click.Command]" = given) -> str | None:
            if wrong := admission.command(command):
                return wrong
            name = str(command.name)
            if name in own:
                return f"rig {name} is a command of Rig's own"
            if name in given:
                return f"{name!r} is registered twice"
            if name in owners:
                return taken(name, owners[name])
            given[name] = command
            return None

        loader.register(plugin, HOOK, CommandsContext, accept)
        if plugin.state == "enabled":
            found.update(given)
            owners.update(dict.fromkeys(given, plugin.entry))
    return found, faults(loader.plugins.values())
