"""``rig rebuild``: fold the log again, to compare, to repair, or to see the store as it stood."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rig.cli.output import Output, output, say
from rig.cli.places import place, store_options
from rig.cli.tables import Column
from rig.errors import BadRequest

if TYPE_CHECKING:
    from rig.store.location import Location
    from rig.store.rebuild import Digest
    from rig.store.refolding import Refolding

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
    source = _source(place(data_dir, store).location)
    if check:
        return _check(source, output)
    if until is not None and into is not None:
        _until(source, until, into, output)
    else:
        _show(source.refolded(), output)
    return None


def _source(location: "Location") -> "Refolding":
    if location.kind == "postgres":
        from rig.store.postgres.refolding import PostgresRefolding

        return PostgresRefolding(location.url)
    from rig.store.refolding import SqliteRefolding

    return SqliteRefolding(location.folder)


def _show(found: "list[Digest]", output: Output) -> None:
    rows = [{"table": d.table, "rows": d.rows, "sha256": d.sha256} for d in found]
    if output.format == "table":  # as sha256sum prints it: a hash is of use only whole
        for digest in found:
            say(f"{digest.sha256}  {digest.table} ({digest.rows})")
    else:
        output.rows(rows, COLUMNS, lambda row: row["sha256"])


def _check(source: "Refolding", output: Output) -> int:
    stored, folded = source.compared()
    wrong = [a.table for a, b in zip(stored, folded, strict=True) if a != b]
    _show(folded, output)
    if output.format == "table":
        say(
            f"not what the log says: {', '.join(wrong)}; run `rig rebuild`"
            if wrong
            else "every read model is what the log says"
        )
    return 1 if wrong else 0


def _until(source: "Refolding", until: str, into: Path, output: Output) -> None:
    from rig.clock import micros
    from rig.store.rebuild import digests
    from rig.store.sqlite import connect
    from rig.store.verify import DATABASE

    if until.isdigit():
        head = source.until(into, sequence=int(until))
    else:
        try:
            at = micros(until)
        except ValueError:
            raise BadRequest("--until takes a sequence or an ISO time such as 2026-01-31T12:00:00Z") from None
        head = source.until(into, at=at)
    with closing(connect(into / DATABASE)) as made:
        _show(digests(made), output)
    if output.format == "table":
        say(f"{into}: {head.position} events; look at it with: rig serve --data-dir {into}")
