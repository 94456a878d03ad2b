"""Where a store is, as ``store.url`` says it, and how it is opened."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

import msgspec

from rig.clock import Clock
from rig.ids import Ids
from rig.store.log import Log
from rig.store.memory import open_memory
from rig.store.opening import open_sqlite


class Location(msgspec.Struct, frozen=True):
    """A place for a log."""

    kind: Literal["memory", "sqlite", "postgres"]
    folder: Path
    """Of the embedded store; for the others the data directory, which keeps all that is not the log."""
    url: str = ""
    """Of PostgreSQL; may hold a password, so it is never shown."""


def locate(url: str, data_dir: Path) -> Location:
    """What a valid ``store.url`` means; empty: the data directory."""
    if url == "memory:":
        return Location("memory", data_dir)
    if url.startswith(("postgresql://", "postgres://")):
        return Location("postgres", data_dir, url)
    return Location("sqlite", Path(url.removeprefix("sqlite:")).expanduser().absolute() if url else data_dir)


class OpenStore(msgspec.Struct, frozen=True):
    """A log that is open."""

    log: Log
    verify_older: Callable[[], Awaitable[None]] | None = None
    """Walks in the background what was not verified before the start; None when nothing is left to walk."""


def open_store(
    location: Location,
    *,
    clock: Clock | None = None,
    ids: Ids | None = None,
    on_fatal: Callable[[BaseException], None] | None = None,
) -> OpenStore:
    """Open (or make) the store of a place, on a running event loop.

    Raises DataDirInUse, LogCorrupt, SchemaTooNew, ConfigError, StorageUnavailable.
    """
    if location.kind == "memory":
        return OpenStore(open_memory(clock=clock, ids=ids))
    if location.kind == "postgres":
        from rig.store.postgres.opening import open_postgres

        shared = open_postgres(location.url, clock=clock, ids=ids, on_fatal=on_fatal)
        return OpenStore(shared.log, shared.verify_older)
    embedded = open_sqlite(location.folder, clock=clock, ids=ids, on_fatal=on_fatal)
    return OpenStore(embedded.log, embedded.verify_older)
