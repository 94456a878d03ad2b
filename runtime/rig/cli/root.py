"""``rig`` itself: its commands by name, each imported only when it runs."""

from importlib import import_module

import click

from rig import __version__
from rig.cli.ending import NobodyReads

COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("rig.cli.serve:serve", "Run the daemon."),
    "demo": ("rig.cli.demo.command:demo", "Show the main job end to end, with no keys and no network."),
    "issue": ("rig.cli.issues:issue", "Issues: list, show, create, steer, abort, force-done, trace."),
    "queue": ("rig.cli.queue:queue", "What waits for an agent."),
    "agent": ("rig.cli.agents:agent", "Agents: list, release, streams."),
    "job": ("rig.cli.jobs:job", "Jobs: list, show, cancel."),
    "trace": ("rig.cli.traces:trace", "A trace as a tree of spans, or the traces that moved last."),
    "attention": ("rig.cli.attention:attention", "What needs a person."),
    "answer": ("rig.cli.attention:answer", "Answer what needs a person."),
    "cost": ("rig.cli.costs:cost", "Costs: summary, explain."),
    "why": ("rig.cli.why:why", "Why an issue or a job is where it is."),
    "logs": ("rig.cli.logs:logs", "Print what an execution said."),
    "webhook": ("rig.cli.webhooks:webhook", "Webhooks: list, show, replay."),
    "key": ("rig.cli.keys:key", "API keys: create, list, revoke."),
    "secret": ("rig.cli.secrets:secret", "Secrets in the vault: set, list, remove."),
    "plugin": ("rig.cli.plugins:plugin", "Plugins: list, enable, disable, trace, new, test."),
    "x": ("rig.cli.extra:x", "Do an operation that a plugin adds to the API."),
    "config": ("rig.cli.settings:config", "The configuration: show, schema, check."),
    "api": ("rig.cli.api:api", "Any operation of the API by its name."),
    "doctor": ("rig.cli.doctor:doctor", "Check the installation and the log's chain."),
    "rebuild": ("rig.cli.rebuild:rebuild", "Fold the log again, or compare, or up to a moment."),
    "export": ("rig.cli.transfer:export", "Print the log as NDJSON."),
    "backup": ("rig.cli.transfer:backup", "Copy the data directory, also beside a running daemon."),
    "restore": ("rig.cli.transfer:restore", "Put a backup in place of an empty data directory."),
    "erase": ("rig.cli.transfer:erase", "Take fields out of a stored event, such as a leaked secret."),
    "bench": ("rig.cli.bench:bench", "Measure this machine."),
}
"""Name to where the command is and what it does, in the order in which help shows them."""


class LazyGroup(click.Group):
    """A group that shows its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return _of_plugins(cmd_name)
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        found = getattr(import_module(module), name)
        assert isinstance(found, click.Command)
        return found

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise NobodyReads from None  # click would make it exit code 1, as if the command had failed

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _of_plugins(name: str) -> click.Command | None:
    """The command that a plugin adds under a name; plugins are loaded for a name that is not Rig's own, and only then."""
    from rig.cli.places import place
    from rig.errors import RigError
    from rig.plugin.commands import plugin_commands
    from rig.plugin.settings import PluginSettings
    from rig.text import one_line

    try:
        section = place(None).configuration.settings.plugins
        commands, broken = plugin_commands(PluginSettings.of(section.whole()), COMMANDS)
    except RigError:
        return None  # a bad configuration is no reason to hide that the name is wrong
    if name not in commands:
        for plugin, wrong in broken.items():
            click.echo(f"plugin {plugin}: {one_line(wrong, 500)}", err=True)
    return commands.get(name)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="rig", message="%(prog)s %(version)s")
def rig() -> None:
    """Rig: the control plane for a fleet of coding agents.

    `rig demo` shows it at work; `rig serve` runs it. RIG_URL and RIG_TOKEN say which daemon the other commands ask.
    """
