"""``rig rebuild``: fold the log again, to compare, to repair, or to see the store as it stood."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rig.cli.output import Output, output, say
from rig.cli.places import place, store_options
from rig.cli.tables import Column
from rig.errors import BadRequest, NotFound
from rig.ids import DEFAULT_TENANT

if TYPE_CHECKING:
    import sqlite3

    from rig.store.rebuild import Digest

COLUMNS = (Column("READ MODEL", "table"), Column("ROWS", "rows", right=True), Column("SHA256", "sha256", gives=1))


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 when a read model is not what the log says.")
@click.option("--until", metavar="SEQ|TIME", help="The store as it stood after this sequence or at this ISO time.")
@click.option("--into", type=click.Path(path_type=Path), metavar="DIR", help="Where to put it: a new data directory.")
@store_options
@output
def rebuild(
    output: Output, check: bool, until: str | None, into: Path | None, data_dir: Path | None, store: str | None
) -> int | None:
    """Fold the log again and print the sha256 of every read model.

    Without options the read models are made anew, which needs the daemon stopped; --check and --until go beside it.
    """
    if (until is None) != (into is None):
        raise click.UsageError("--until and --into go together")
    if check and until is not None:
        raise click.UsageError("--check compares the whole log; it does not go with --until")
    directory = place(data_dir, store).store
    if check:
        return _check(directory, output)
    if until is not None and into is not None:
        _until(directory, until, into, output)
    else:
        _show(_anew(directory), output)
    return None


def _show(found: "list[Digest]", output: Output) -> None:
    rows = [{"table": d.table, "rows": d.rows, "sha256": d.sha256} for d in found]
    if output.format == "table":  # as sha256sum prints it: a hash is of use only whole
        for digest in found:
            say(f"{digest.sha256}  {digest.table} ({digest.rows})")
    else:
        output.rows(rows, COLUMNS, lambda row: row["sha256"])


def _check(directory: Path, output: Output) -> int:
    import tempfile

    from rig.store.doctor import reading
    from rig.store.rebuild import digests, folded_again
    from rig.store.verify import corrupt, first_break

    with reading(directory) as connection, tempfile.TemporaryDirectory() as scratch:
        broken = first_break(connection)
        if broken is not None:
            raise corrupt(broken)
        stored, folded = digests(connection), folded_again(connection, Path(scratch) / "fold.db")
    wrong = [a.table for a, b in zip(stored, folded, strict=True) if a != b]
    _show(folded, output)
    if output.format == "table":
        say(
            f"not what the log says: {', '.join(wrong)}; run `rig rebuild`"
            if wrong
            else "every read model is what the log says"
        )
    return 1 if wrong else 0


def _anew(directory: Path) -> "list[Digest]":
    from rig.store.lock import DirectoryLock
    from rig.store.rebuild import digests, refold
    from rig.store.sqlite import connect
    from rig.store.verify import DATABASE, check_before_open

    if not (directory / DATABASE).exists():
        raise NotFound(f"there is no store in {directory}; --data-dir names another")
    lock = DirectoryLock(directory)
    try:
        check_before_open(directory)
        with closing(connect(directory / DATABASE)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            refold(connection)
            return digests(connection)
    finally:
        lock.release()


def _until(directory: Path, until: str, into: Path, output: Output) -> None:
    from rig.clock import micros
    from rig.store.doctor import reading
    from rig.store.rebuild import digests, store_until
    from rig.store.sqlite import connect
    from rig.store.verify import DATABASE

    with reading(directory) as connection:
        if until.isdigit():
            head = store_until(connection, into, position=_position(connection, int(until)))
        else:
            try:
                at = micros(until)
            except ValueError:
                raise BadRequest("--until takes a sequence or an ISO time such as 2026-01-31T12:00:00Z") from None
            head = store_until(connection, into, at=at)
    with closing(connect(into / DATABASE)) as made:
        _show(digests(made), output)
    if output.format == "table":
        say(f"{into}: {head.position} events; look at it with: rig serve --data-dir {into}")


def _position(connection: "sqlite3.Connection", sequence: int) -> int:
    """Where a sequence of the default tenant stands in the log."""
    found = connection.execute(
        "SELECT position FROM events WHERE tenant = ? AND sequence = ?", (DEFAULT_TENANT, sequence)
    ).fetchone()
    if found is None:
        raise NotFound(f"the log has no sequence {sequence}")
    return int(found[0])
