"""``rig serve``: the daemon."""

from pathlib import Path

import click

from rig.cli.remote import data_dir_option


@click.command()
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="Configuration (also RIG_CONFIG, ./rig.toml).")
@data_dir_option
@click.option("--host", metavar="HOST", help="Address to listen on; default: 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65535), metavar="PORT", help="Port; 0 takes a free one. Default: 8080.")
@click.option("--store", metavar="URL", help="Where the log lives: sqlite:FOLDER, postgresql://USER@HOST/DATABASE or memory:.")
@click.option("--plugins-dir", type=click.Path(path_type=Path), metavar="DIR", help="Folder of one-file plugins.")
def serve(
    config: Path | None,
    data_dir: Path | None,
    host: str | None,
    port: int | None,
    store: str | None,
    plugins_dir: Path | None,
) -> int:
    """Run the daemon until SIGTERM.

    When it is ready it prints one line: rig listening on http://HOST:PORT. Logs go to stderr, as JSON lines when that is no
    terminal.
    """
    from rig.daemon import ServeOptions, run

    overrides = {"server.host": host, "server.port": port, "store.url": store}
    given = {key: value for key, value in overrides.items() if value is not None}
    return run(ServeOptions(config=config, overrides=given, data_dir=data_dir, plugins_dir=plugins_dir))
