"""``rig export``, ``rig backup``, ``rig restore``, ``rig erase``: the log as text, whole data directories, and leaks."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from rig.cli.output import say
from rig.cli.places import Place, place, store_options

KIND = click.Path(path_type=Path)


@click.command()
@click.option("--until", type=click.IntRange(1), metavar="SEQ", help="Only events up to this sequence.")
@store_options
def export(data_dir: Path | None, store: str | None, until: int | None) -> None:
    """Print the log as NDJSON, also beside a running daemon."""
    out = sys.stdout.buffer
    for line in _exported(place(data_dir, store), until):
        out.write(line + b"\n")
    out.flush()


def _exported(here: Place, until: int | None) -> Iterator[bytes]:
    from rig.store import transfer

    if here.location.kind == "postgres":
        from rig.store.postgres.opening import reading
        from rig.store.postgres.rebuild import read_log

        with reading(here.location.url) as session:
            yield from transfer.export_lines(read_log(session), until)
    else:
        yield from transfer.export(here.store, until)


@click.command()
@click.argument("destination", type=KIND, metavar="DEST")
@store_options
def backup(destination: Path, data_dir: Path | None, store: str | None) -> None:
    """Copy the data directory to DEST, which must not exist; also beside a running daemon.

    The copy is verified. The master key is never part of it: keep it elsewhere, or the sealed secrets are lost.
    """
    from rig.store.transfer import backup as copy

    head = copy(place(data_dir, store).store, destination.absolute())
    say(f"{destination}: {head.position} events, head {head.hash.hex()[:16]}")
    say("The master key is not in it: keep it elsewhere, or the sealed secrets are lost.")


@click.command()
@click.argument("source", type=KIND, metavar="SRC")
@store_options
def restore(source: Path, data_dir: Path | None, store: str | None) -> None:
    """Put the backup SRC in place of an empty data directory."""
    from rig.store.transfer import restore as put

    directory = place(data_dir, store).store
    head = put(source.absolute(), directory)
    say(f"{directory}: {head.position} events, head {head.hash.hex()[:16]}")
    say("Leases of the past end at the next start. Put the master key back too, if secrets are sealed with it.")


@click.command()
@click.argument("sequence", type=click.IntRange(1))
@click.option("--field", "fields", multiple=True, required=True, metavar="NAME", help="Field of the event's data; repeatable.")
@click.option("--reason", required=True, metavar="TEXT", help="Why, for the record.")
@click.option("--tenant", default="default", show_default=True, help="Tenant whose event it is.")
@store_options
def erase(sequence: int, fields: tuple[str, ...], reason: str, tenant: str, data_dir: Path | None, store: str | None) -> None:
    """Take fields out of the event SEQUENCE for good; the daemon must be stopped.

    The log keeps that something was erased, and still verifies. Backups made before keep the old text.
    """
    from rig.store.erasure import erase as take_out

    take_out(place(data_dir, store).store, tenant, sequence, fields, reason, "operator")
    say(f"sequence {sequence}: {', '.join(fields)} erased")
