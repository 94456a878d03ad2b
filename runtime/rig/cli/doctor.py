"""``rig doctor``: what is right and wrong with an installation, one line a finding."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rig.cli import tables
from rig.cli.output import Output, listing, say
from rig.cli.places import place, store_options
from rig.cli.words import word
from rig.errors import RigError

if TYPE_CHECKING:
    from rig.store.doctor import Finding

COLORS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="Configuration (also RIG_CONFIG, ./rig.toml).")
@click.option("--accept-head", is_flag=True, help="Go on with a shortened log; says so in the log. What is lost stays lost.")
@store_options
@listing
def doctor(output: Output, config: Path | None, accept_head: bool, data_dir: Path | None, store: str | None) -> int:
    """Check the installation and the log's chain; nothing is changed. Exit code 1 when anything fails."""
    if accept_head:
        _accept(place(data_dir, store, config).store)
    findings = list(_findings(config, data_dir, store))
    rows = [{"level": f.level, "check": f.check, "text": f.text, "sequence": f.sequence} for f in findings]
    if output.format == "table":
        for row in rows:
            if not output.filter or output.filter.casefold() in f"{row['level']} {row['check']} {row['text']}".casefold():
                level = click.style(f"{row['level']:<5}", fg=COLORS[str(row["level"])])
                say(f"{level}{word(row['check']):<13}{word(row['text'])}")
    else:
        output.rows(rows, [tables.Column(name, name) for name in ("level", "check", "text")], lambda row: row["check"])
    return 1 if any(f.level == "fail" for f in findings) else 0


def _findings(config: Path | None, data_dir: Path | None, store: str | None) -> "Iterator[Finding]":
    from rig.cli import checks
    from rig.cli.settings import loaded
    from rig.store.doctor import Finding, examine

    try:
        here = place(data_dir, store, config)
        _, host = loaded(config, data_dir)
    except RigError as error:
        yield Finding("fail", "config", error.message)
        return
    records = [(r.name, r.state, r.last_error) for r in host.records()]
    yield from checks.of_configuration(here.configuration.file, records)
    folder = checks.of_directory(here.data_dir)
    yield folder
    if folder.level == "fail":
        return
    yield checks.of_vault(here.data_dir, here.configuration.key_file)
    yield from checks.of_programs(here.configuration)
    yield checks.of_sandbox()
    if here.configuration.settings.store.url == "memory:":
        yield Finding("warn", "store", "store.url is memory: nothing is kept")
    elif here.location.kind == "postgres":
        yield from _on_postgres(here.location.url)
    else:
        try:
            yield from examine(here.store)
        except OSError as error:
            yield Finding("fail", "store", f"{here.store}: {(error.strerror or str(error)).lower()}")


def _on_postgres(url: str) -> "Iterator[Finding]":
    from rig.store.doctor import Finding

    try:
        from rig.store.postgres.doctor import examine
    except RigError as error:
        yield Finding("fail", "store", error.message)
    else:
        yield from examine(url)


def _accept(directory: Path) -> None:
    """Make the shortened log the log, and record who said so."""
    from rig.store.doctor import accept_head, head_accepted
    from rig.store.opening import open_sqlite
    from rig.store.units import Unit

    wrong = accept_head(directory, "operator")
    if wrong is None:
        say("the head is right; there is nothing to accept")
        return

    async def record() -> None:
        log = open_sqlite(directory).log
        try:
            await log.commit(
                Unit("default", (head_accepted(wrong, "operator"),), principal="operator", operation="accept_head")
            )
        finally:
            await log.close()

    asyncio.run(record())
    say(f"accepted: {word(wrong.why)}; the log goes on after what is left")
