"""The command line: ``rig``. Nothing heavy is imported before a command runs that needs it."""

import sys


def main() -> None:
    """What the console script calls: run the command and exit with its code."""
    from rig.cli.ending import run

    sys.exit(run(sys.argv[1:]))
