"""Commands that plugins add to ``rig``; loaded by the command line when a name is not its own."""

from typing import TYPE_CHECKING

from rig.plugin import admission
from rig.plugin.contexts import CommandsContext
from rig.plugin.loader import Loader, PluginSettings

if TYPE_CHECKING:
    import click

HOOK = "rig_register_commands"


def plugin_commands(settings: PluginSettings) -> "tuple[dict[str, click.Command], list[str]]":
    """Commands by name, and a line for each plugin that is broken. The first plugin by name keeps a name that two want."""
    loader = Loader(settings)
    loader.load()
    found: dict[str, click.Command] = {}

    def accept(command: "click.Command") -> str | None:
        if wrong := admission.command(command):
            return wrong
        if command.name is None or command.name in found:
            return f"there is a command {command.name!r} already"
        found[command.name] = command
        return None

    for plugin in loader.plugins.values():
        if plugin.state == "enabled":
            loader.register(plugin, HOOK, CommandsContext, accept)
    broken = [f"{p.entry.name}: {p.guard.last_error}" for p in loader.plugins.values() if p.state.endswith("_error")]
    return found, broken
