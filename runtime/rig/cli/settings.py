"""``rig config``: what is configured, what could be, and whether a file is right."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rig.cli.output import Output, listing, say
from rig.cli.places import place
from rig.cli.remote import Remote, data_dir_option, remote
from rig.cli.tables import Column
from rig.cli.words import safe_json

if TYPE_CHECKING:
    from rig.config import Configuration
    from rig.plugin.host import PluginHost

FILE = click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help="Configuration (also RIG_CONFIG, ./rig.toml)."
)


@click.group()
def config() -> None:
    """The configuration: what holds and who set it."""


@config.command()
@click.option("--offline", is_flag=True, help="Read the files here instead of asking the daemon.")
@FILE
@listing
@remote
def show(remote: Remote, output: Output, offline: bool, config: Path | None) -> None:
    """Show every key with its value and who set it. Secrets are masked."""
    if offline or config is not None:
        here, _ = loaded(config, remote.data_dir)
        values, origins = here.effective(), here.provenance()
    else:
        answer = remote.call("get_config")
        values, origins = answer["config"], answer["provenance"]
    if output.format == "json":
        say(safe_json(values, 2))
        return
    rows = [{"key": k, "value": v, "origin": origins.get(k, "default")} for k, v in _leaves(values)]
    columns = (
        Column("KEY", "key", gives=1),
        Column("VALUE", lambda row: safe_json(row["value"]), gives=2),
        Column("SET BY", "origin"),
    )
    output.rows(rows, columns, lambda row: row["key"])


@config.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, with that of the plugins installed here."""
    here, _ = loaded(None, None)
    say(safe_json(here.schema(), 2))


@config.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@data_dir_option
def check(file: Path | None, data_dir: Path | None) -> None:
    """Check FILE, or the configuration that `rig serve` would use here; every error is named."""
    here, _ = loaded(file, data_dir)
    say(f"{here.file or 'the built-in defaults'}: valid")


def loaded(config: Path | None, data_dir: Path | None) -> "tuple[Configuration, PluginHost]":
    """The configuration of this place as the daemon would see it, and the plugins that say what their keys are.

    Raises ConfigError with every error.
    """
    from rig.plugin.host import PluginHost
    from rig.plugin.settings import PluginSettings

    here = place(data_dir, config=config).configuration
    host = PluginHost(PluginSettings.of(here.settings.plugins.whole()))
    host.load()
    models = {name: p.registration.config for name, p in host.providers.items() if p.registration.config}
    return here.knowing(providers=models, plugins=host.config_models()), host


def _leaves(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    from rig.config.layers import leaves

    return list(leaves(values))
