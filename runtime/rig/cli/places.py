"""Where a command finds the store that it works on itself, and who else has it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rig.cli.remote import data_dir_option
from rig.errors import ConfigError

if TYPE_CHECKING:
    from rig.config import Configuration
    from rig.store.location import Location

ON_POSTGRES = (
    "this command works on a store in a folder, and store.url names PostgreSQL: "
    "back it up with pg_dump, put it back with pg_restore"
)

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Place:
    """An installation on this machine."""

    configuration: "Configuration"

    @property
    def data_dir(self) -> Path:
        return self.configuration.data_dir

    @property
    def location(self) -> "Location":
        """Where the store is. Raises ConfigError when it is in memory."""
        from rig.store.location import locate

        location = locate(self.configuration.settings.store.url, self.data_dir)
        if location.kind == "memory":
            raise ConfigError("the store is in memory (store.url): there is nothing on disk to work on")
        return location

    @property
    def store(self) -> Path:
        """The folder of the store. Raises ConfigError when it is not in one."""
        location = self.location
        if location.kind == "postgres":
            raise ConfigError(ON_POSTGRES)
        return location.folder


def place(data_dir: Path | None, store: str | None = None, config: Path | None = None) -> Place:
    """The installation that options, environment and configuration file name. Raises ConfigError."""
    from rig.config import load

    return Place(load(config=config, data_dir=data_dir, arguments={"store.url": store}))


def store_options(function: F) -> F:
    """``--data-dir`` and ``--store``, for commands that work on the store itself."""
    function = click.option(
        "--store", metavar="URL", help="Where the log lives, if not there: sqlite:FOLDER or postgresql://…"
    )(function)
    return data_dir_option(function)
