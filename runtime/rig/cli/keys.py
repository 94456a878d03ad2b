"""``rig key``: API keys, through the daemon where one runs, else in the store itself."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rig.cli.output import Output, listing, output, say
from rig.cli.places import place
from rig.cli.remote import Remote, remote
from rig.cli.tables import Column
from rig.cli.words import ago
from rig.clock import SystemClock, iso
from rig.errors import NotFound
from rig.ids import DEFAULT_TENANT

if TYPE_CHECKING:
    from rig.model.events import NewEvent
    from rig.store.log import Log

T = TypeVar("T")
STREAM = "keys"
SCOPES = ("read", "write", "admin")


@click.group()
def key() -> None:
    """API keys. With the daemon stopped they are made in the store itself, so the first one needs no daemon."""


@key.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="SCOPE",
    help="orchestrator:read, :write or :admin, or only that word. Default: write.",
)
@output
@remote
def create(remote: Remote, output: Output, name: str, scopes: tuple[str, ...]) -> None:
    """Create a key and print it: this once, nobody can show it again."""
    wanted = [_scope(text) for text in scopes] or ["orchestrator:write"]
    if _asks(remote):
        made = remote.call("create_api_key", name=name, scopes=wanted, tenant=remote.tenant)
    else:
        made = _in_store(remote, lambda log: _create(log, remote.tenant or DEFAULT_TENANT, name, wanted))
    if output.format == "table":
        say(made["key"])
    else:
        output.one(made, {}, made["id"])


@key.command("list")
@listing
@remote
def list_(remote: Remote, output: Output) -> None:
    """List keys, by the prefix that each begins with."""
    if _asks(remote):
        rows = remote.call("list_api_keys")
    else:
        rows = _in_store(remote, lambda log: _list(log, remote.tenant or DEFAULT_TENANT))
    now = SystemClock().now()
    columns = (
        Column("ID", "id"),
        Column("NAME", "name", gives=2),
        Column("PREFIX", lambda row: f"rig_{row['prefix']}_…"),
        Column("SCOPES", lambda row: ", ".join(s.removeprefix("orchestrator:") for s in row["scopes"]), gives=1),
        Column("AGE", lambda row: ago(row["createdAt"], now), right=True),
    )
    output.rows(rows, columns, lambda row: row["id"])


@key.command()
@click.argument("id")
@output
@remote
def revoke(remote: Remote, output: Output, id: str) -> None:
    """Revoke a key by its id or prefix; it holds from now on, also for open streams."""
    wanted = f"api-key-{id.removeprefix('api-key-').removeprefix('rig_')[:8]}"
    if _asks(remote):
        done = remote.call("revoke_api_key", id=wanted)
    else:
        done = _in_store(remote, lambda log: _revoke(log, remote.tenant or DEFAULT_TENANT, wanted))
    output.one(done, {"revoked": done["removed"]}, done["removed"])


def _scope(text: str) -> str:
    word = text.removeprefix("orchestrator:")
    if word not in SCOPES:
        raise click.BadParameter(f"{text} is no scope; one of: {', '.join(SCOPES)}", param_hint="--scope")
    return f"orchestrator:{word}"


def _asks(remote: Remote) -> bool:
    """Whether a daemon is asked: one is named, or one holds the data directory."""
    import os

    from rig.store.lock import holder

    return bool(remote.url or os.environ.get("RIG_URL")) or holder(place(remote.data_dir).location.folder) is not None


def _in_store(remote: Remote, job: "Callable[[Log], Awaitable[T]]") -> T:
    """Run ``job`` on the store itself, alone. Raises DataDirInUse, LogCorrupt, ConfigError, StorageUnavailable."""
    from rig.store.location import open_store

    location = place(remote.data_dir).location

    async def working() -> T:
        log = open_store(location).log
        try:
            return await job(log)
        finally:
            await log.close()

    return asyncio.run(working())


async def _create(log: "Log", tenant: str, name: str, scopes: list[str]) -> dict[str, Any]:
    from rig.ids import SystemIds
    from rig.model.events import NewEvent, encode
    from rig.vault.keys import make_key
    from rig.wire.shapes import requests

    requests.parse(requests.NewKey, {"name": name, "scopes": scopes, "tenant": tenant})
    made = make_key(SystemIds())
    about = {"id": f"api-key-{made.prefix}", "name": name, "prefix": made.prefix, "scopes": scopes}
    at = await _commit(log, tenant, "create_api_key", NewEvent(STREAM, "key_created", encode({**about, "digest": made.digest})))
    return {**about, "key": made.text, "createdAt": at}


async def _list(log: "Log", tenant: str) -> list[dict[str, Any]]:
    rows = await _rows(log, tenant)
    return [
        {"id": r.id, "name": r.name, "prefix": r.prefix, "scopes": list(r.scopes), "createdAt": iso(r.created_at)} for r in rows
    ]


async def _revoke(log: "Log", tenant: str, id: str) -> dict[str, Any]:
    from rig.model.events import NewEvent, encode

    if id not in [row.id for row in await _rows(log, tenant)]:
        raise NotFound("no such key; `rig key list` shows them")
    await _commit(log, tenant, "revoke_api_key", NewEvent(STREAM, "key_revoked", encode({"id": id})))
    return {"removed": id}


async def _rows(log: "Log", tenant: str) -> list[Any]:
    """The tenant's keys that hold, oldest first; those of attempts are not for people."""
    from rig.model.tables import KEYS, Query

    found = await log.read(lambda snapshot: [row for _, row in snapshot.page(Query(KEYS, tenant, limit=10_000))])
    return sorted((r for r in found if r.revoked_at is None and r.execution is None), key=lambda r: (r.created_at, r.id))


async def _commit(log: "Log", tenant: str, operation: str, event: "NewEvent") -> str:
    from rig.store.units import Unit

    return iso((await log.commit(Unit(tenant, (event,), principal="operator", operation=operation))).at)
