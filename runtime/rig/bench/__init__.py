"""``rig bench``: what this machine does with Rig, in one run whose variants alternate, and whether the targets are met."""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

NAMES = ("write", "commit", "ask", "claim", "start", "memory")
"""The sections, in the order in which they run."""


def main(arguments: Sequence[str] = ()) -> int:
    """Measure and print; 0 also where something falls short, as a figure is no fault. Progress goes to standard error."""
    parser = argparse.ArgumentParser("rig bench", description=__doc__.partition(":")[2].strip().capitalize())
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: says whether it runs, not how fast")
    parser.add_argument("--json", action="store_true", help="every value of every round as JSON")
    parser.add_argument("--only", choices=NAMES, action="append", help="run only this section; may be repeated")
    parser.add_argument("--directory", type=Path, help="where the stores of the run are made (default: the temporary folder)")
    given = parser.parse_args(list(arguments))
    return run(quick=given.quick, json=given.json, only=given.only or NAMES, directory=given.directory)


def run(*, quick: bool = False, json: bool = False, only: Sequence[str] = NAMES, directory: Path | None = None) -> int:
    """What ``main`` does with its options."""
    from rig.bench.runs import measure  # the sections import all of the daemon

    with tempfile.TemporaryDirectory(prefix="rig-bench-", dir=directory) as folder:
        asyncio.run(measure(Path(folder), only, quick=quick, json=json))
    return 0
