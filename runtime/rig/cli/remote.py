"""Commands that ask a daemon: their common options, and how they ask."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rig.client import Client

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
PAGE = 500


@dataclass(frozen=True)
class Remote:
    """Which daemon a command asks."""

    url: str | None
    """None: RIG_URL, else the default."""
    tenant: str | None
    data_dir: Path | None

    def ask(self, job: "Callable[[Client], Awaitable[T]]") -> T:
        """Run ``job`` with a client of the daemon. Raises what the client raises."""
        from rig.client import Client, target

        async def asking() -> T:
            async with Client(target(self.url, tenant=self.tenant, data_dir=self.data_dir)) as client:
                return await job(client)

        return asyncio.run(asking())

    def call(self, operation: str, /, **params: Any) -> Any:
        """The answer of one operation."""
        return self.ask(lambda client: client.call(operation, **params))

    def rows(self, operation: str, limit: int, **query: Any) -> list[dict[str, Any]]:
        """At most ``limit`` rows of a list with limit and offset, 0 for all."""

        async def paging(client: "Client") -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            while True:
                size = min(PAGE, limit - len(found)) if limit else PAGE
                page = await client.call(operation, limit=size, offset=len(found), **query)
                found += page
                if len(page) < size or len(found) == limit:
                    return found

        return self.ask(paging)


def data_dir_option(function: F) -> F:
    """``--data-dir``, before RIG_DATA_DIR."""
    kind = click.Path(file_okay=True, path_type=Path)
    return click.option("--data-dir", type=kind, metavar="DIR", help="Data directory (also RIG_DATA_DIR).")(function)


def remote(function: F) -> F:
    """``--url``, ``--tenant`` and ``--data-dir``, handed to the command as ``remote``."""

    @click.option("--url", metavar="URL", help="The daemon's address (also RIG_URL). RIG_TOKEN is the key to show it.")
    @click.option("--tenant", metavar="NAME", help="Tenant to act in; default: default.")
    @data_dir_option
    @functools.wraps(function)
    def command(*arguments: Any, url: str | None, tenant: str | None, data_dir: Path | None, **options: Any) -> Any:
        return function(*arguments, remote=Remote(url, tenant, data_dir), **options)

    return command  # type: ignore[return-value]  # the wrapper takes what click gives it
