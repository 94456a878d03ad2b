"""``rig secret``: named secrets in the vault of this machine's data directory; a running daemon sees a change at once."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rig.cli.output import say
from rig.cli.places import place
from rig.cli.remote import data_dir_option
from rig.errors import BadRequest, NotFound
from rig.ids import DEFAULT_TENANT

if TYPE_CHECKING:
    from rig.vault.secrets import SealedFile

MAX_BYTES = 65_536


@click.group()
def secret() -> None:
    """Secrets that the configuration names as "$SECRET:NAME"; sealed under the master key, never shown."""


@secret.command("set")
@click.argument("name")
@data_dir_option
def set_(name: str, data_dir: Path | None) -> None:
    """Set a secret; its value is read from standard input, or asked for on a terminal."""
    if sys.stdin.isatty():
        value = str(click.prompt(f"Value of {name}", hide_input=True))
    else:
        value = sys.stdin.read(MAX_BYTES + 1).rstrip("\r\n")
    if len(value) > MAX_BYTES or "\0" in value:
        raise BadRequest(f"a secret is text of at most {MAX_BYTES} bytes")
    version = _vault(data_dir).put(DEFAULT_TENANT, name, value)
    say(f"{name}: version {version}")


@secret.command("list")
@data_dir_option
def list_(data_dir: Path | None) -> None:
    """List the names of secrets."""
    for name in _vault(data_dir).names(DEFAULT_TENANT):
        say(name)


@secret.command()
@click.argument("name")
@data_dir_option
def remove(name: str, data_dir: Path | None) -> None:
    """Forget a secret; what names it fails from then on."""
    if not _vault(data_dir).remove(DEFAULT_TENANT, name):
        raise NotFound(f"there is no secret {name}; `rig secret list` shows them")


def _vault(data_dir: Path | None) -> "SealedFile":
    from rig.config import usable_data_dir
    from rig.vault.master import open_vault
    from rig.vault.secrets import FILE, SealedFile

    found = place(data_dir).configuration
    folder = usable_data_dir(found.data_dir)
    return SealedFile(open_vault(folder, found.key_file), folder / FILE)
