"""``rig plugin``: what is loaded, how it does, switching it, and writing one."""

import shlex
from pathlib import Path
from typing import Any

import click

from rig.cli.output import Output, listing, say
from rig.cli.remote import Remote, remote
from rig.cli.scaffold.project import kinds
from rig.cli.tables import Column
from rig.plugin.record import BROKEN
from rig.text import one_line


@click.group()
def plugin() -> None:
    """Plugins and their state."""


@plugin.command("list")
@click.option("--offline", is_flag=True, help="Load the plugins here instead of asking the daemon.")
@listing
@remote
def list_(remote: Remote, output: Output, offline: bool) -> None:
    """List plugins: state, calls and the last error of each."""
    rows = _here(remote.data_dir) if offline else remote.call("list_plugins")
    columns = (
        Column("PLUGIN", "name"),
        Column("STATE", "state"),
        Column("VERSION", "version"),
        Column("CALLS", "calls", right=True),
        Column("MS/CALL", lambda row: f"{row['ms_per_call']:.1f}", right=True),
        Column("STRIKES", "strikes", right=True),
        Column("LAST ERROR", "last_error", gives=2),
    )
    output.rows(rows, columns, lambda row: row["name"])
    output.notes({f"{row['name']}: {row['state']}": row["last_error"] for row in rows if row["state"] in BROKEN})


def _here(data_dir: Path | None) -> list[dict[str, Any]]:
    """The plugins as they are loaded here, with what only the command line asks them for."""
    import msgspec

    from rig.cli.root import COMMANDS
    from rig.cli.settings import loaded
    from rig.plugin.commands import plugin_commands

    host = loaded(None, data_dir)[1]
    rows: list[dict[str, Any]] = msgspec.to_builtins(host.records())
    for name, wrong in plugin_commands(host.settings, COMMANDS)[1].items():
        row = next(row for row in rows if row["name"] == name)
        if row["state"] not in BROKEN:
            row |= {"state": "load_error", "last_error": wrong}
    return rows


@plugin.command()
@click.argument("name")
@remote
def enable(remote: Remote, name: str) -> int:
    """Let the plugin NAME in, or out of its quarantine."""
    return _switched(remote.call("enable_plugin", name=name))


@plugin.command()
@click.argument("name")
@remote
def disable(remote: Remote, name: str) -> int:
    """Take the plugin NAME out, also for later starts."""
    return _switched(remote.call("disable_plugin", name=name))


def _switched(row: dict[str, Any]) -> int:
    say(one_line(f"{row['name']}: {row['state']}" + (f": {row['last_error']}" if row["state"].endswith("_error") else "")))
    return 1 if row["state"].endswith("_error") else 0


@plugin.command()
@click.argument("name")
@click.option("--kind", required=True, metavar="KIND", help=f"What it adds: {', '.join(kinds())}.")
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Where to write it; ./rig-NAME if not said."
)
def new(name: str, kind: str, folder: Path | None) -> None:
    """Write the project of a new plugin called NAME, with tests that pass."""
    from rig.cli.scaffold.names import named
    from rig.cli.scaffold.project import write

    names = named(name)
    place = folder or Path(names.distribution)
    for path in write(names, kind, place):
        say(one_line(str(path)))
    say()
    say(one_line(f"next: cd {shlex.quote(str(place))} && pip install -e '.[dev]' && pytest && rig serve"))


@plugin.command()
@click.argument("target", default=".", metavar="[PATH|NAME]")
@click.option(
    "--config", type=click.Path(exists=True, dir_okay=False), metavar="FILE", help="Where its tables are, as in rig.toml."
)
@click.option(
    "--seconds", type=click.FloatRange(1), default=60.0, show_default=True, metavar="N", help="How long a check may take."
)
@listing
def test(output: Output, target: str, config: str | None, seconds: float) -> int:
    """Hold a plugin to the contract of every kind that it is of, and try it with faults: an installed one, a file or a project."""
    from rig.cli.conformance import Conformance

    run = Conformance(target, config or "", seconds)
    rows = list(run.rows())
    columns = (
        Column("KIND", "kind"),
        Column("CHECK", "check", gives=1),
        Column("RESULT", "verdict"),
        Column("SECONDS", lambda row: "" if row["seconds"] is None else f"{row['seconds']:.1f}", right=True),
    )
    output.rows(rows, columns, lambda row: f"{row['kind']}: {row['check']}")
    output.notes({f"{row['verdict']}: {row['kind']}: {row['check']}": row["reason"] for row in rows if row["reason"]})
    counts = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in ("ok", "failed", "skipped")}
    click.echo(one_line(f"{run.plugin}: " + ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n)), err=True)
    return 1 if counts["failed"] else 0


@plugin.command()
@click.argument("name", required=False)
@click.option("--follow/--no-follow", "-f/-F", default=True, help="Wait for calls to come; on unless -F.")
@listing
@remote
def trace(remote: Remote, output: Output, name: str | None, follow: bool) -> None:
    """Show the calls into plugins as they end: what was called, how long it took, how it went."""
    columns = (
        Column("AT", "at"),
        Column("PLUGIN", "plugin"),
        Column("CALL", "what", gives=1),
        Column("MS", lambda row: f"{row['ms']:.1f}", right=True),
        Column("OUTCOME", "outcome"),
        Column("ERROR", "error", gives=2),
    )
    after = 0
    while True:
        wait = {"wait": 30} if follow else {}
        answer = remote.call("list_plugin_calls", after=after, **({"plugin": name} if name else {}), **wait)
        if answer["calls"] or not follow:
            output.rows(answer["calls"], columns, lambda row: str(row["n"]))
            output.notes({f"{row['plugin']}: {row['what']}": row["error"] for row in answer["calls"] if row["error"]})
        if not follow:
            return
        after = answer["newest"]
