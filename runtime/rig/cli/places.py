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

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Place:
    """An installation on this machine."""

    configuration: "Configuration"

    @property
    def data_dir(self) -> Path:
        return self.configuration.data_dir

    @property
    def store(self) -> Path:
        """The folder of the store. Raises ConfigError when it is in memory."""
        url = self.configuration.settings.store.url
        if url == "memory:":
            raise ConfigError("the store is in memory (store.url): there is nothing on disk to work on")
        return Path(url.removeprefix("sqlite:")).expanduser().absolute() if url else self.data_dir


def place(data_dir: Path | None, store: str | None = None, config: Path | None = None) -> Place:
    """The installation that options, environment and configuration file name. Raises ConfigError."""
    from rig.config import load

    return Place(load(config=config, data_dir=data_dir, arguments={"store.url": store}))


def store_options(function: F) -> F:
    """``--data-dir`` and ``--store``, for commands that work on the store itself."""
    function = click.option("--store", metavar="URL", help="Where the log lives, if not there: sqlite:FOLDER.")(function)
    return data_dir_option(function)
