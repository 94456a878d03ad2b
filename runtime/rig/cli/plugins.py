"""``rig plugin``: what is loaded, and how it does."""

import click

from rig.cli.output import Output, listing
from rig.cli.remote import Remote, remote
from rig.cli.tables import Column


@click.group()
def plugin() -> None:
    """Plugins and their state."""


@plugin.command("list")
@click.option("--offline", is_flag=True, help="Load the plugins here instead of asking the daemon.")
@listing
@remote
def list_(remote: Remote, output: Output, offline: bool) -> None:
    """List plugins: state, calls and the last error of each."""
    if offline:
        import msgspec

        from rig.cli.settings import loaded

        rows = [msgspec.structs.asdict(record) for record in loaded(None, remote.data_dir)[1].records()]
    else:
        rows = remote.call("list_plugins")
    columns = (
        Column("PLUGIN", "name"),
        Column("STATE", "state"),
        Column("VERSION", "version"),
        Column("CALLS", "calls", right=True),
        Column("MS/CALL", lambda row: f"{row['ms_per_call']:.1f}", right=True),
        Column("STRIKES", "strikes", right=True),
        Column("LAST ERROR", "last_error", gives=2),
    )
    output.rows(rows, columns, lambda row: row["name"])
