"""``rigtui [URL]``: open the dashboard on a daemon, or say in one line why not."""

import asyncio
import os
import sys
from pathlib import Path

import click

from rig import __version__
from rig.client import Target, target
from rig.errors import RigError
from rig.text import one_line

INTERRUPTED = 130


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rigtui", message="%(prog)s %(version)s")
@click.argument("url", required=False)
@click.option("--tenant", metavar="NAME", help="Tenant to look at; default: default.")
@click.option("--data-dir", type=click.Path(path_type=Path), metavar="DIR", help="Data directory (also RIG_DATA_DIR).")
@click.option("--bell/--no-bell", default=True, help="Ring the terminal when somebody begins to wait for you; default: --bell.")
def rigtui(url: str | None, tenant: str | None, data_dir: Path | None, bell: bool) -> None:
    """The dashboard of a running daemon: RIG_URL, or the one of this machine's data directory.

    RIG_TOKEN is the key to show it. `?` shows the keys, ctrl+q leaves; the daemon goes on.
    """

    def where() -> Target:
        return target(url, tenant=tenant, data_dir=data_dir)

    from rigtui.app import Dashboard, answers

    if not (sys.stdin.isatty() and sys.stderr.isatty()):  # Textual reads the one and draws on the other
        raise click.UsageError("the dashboard needs a terminal; `rig issue list` prints what it shows")
    asyncio.run(answers(where))
    no_color = bool(os.environ.get("NO_COLOR"))
    Dashboard(where, no_color=no_color, bell=bell).run()


def main() -> None:
    """What the console script calls."""
    sys.exit(ended())


def ended() -> int:
    """Run; the exit code. Whatever goes wrong is one line on stderr."""
    try:
        rigtui.main(prog_name="rigtui", standalone_mode=False)
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except click.ClickException as error:
        return _failed(error.format_message(), error.exit_code)
    except RigError as error:
        return _failed(error.message, error.exit_code)
    return 0


def _failed(message: str, code: int) -> int:
    print(f"rigtui: {one_line(message, 1000)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
