"""``rig bench``: what this machine does with Rig, in one run whose variants alternate, and whether the targets are met."""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

NAMES = ("write", "commit", "ask", "claim", "start", "memory")
"""The sections of a whole run, in the order in which they run."""
BIG = "size"
"""The section that takes minutes, and runs only when it is asked for."""
STORE_SIZE = 1_000_000
SMALLEST = 20_000


def main(arguments: Sequence[str] = ()) -> int:
    """Measure and print; 0 also where something falls short, as a figure is no fault. Progress goes to standard error."""
    parser = argparse.ArgumentParser("rig bench", description=__doc__.partition(":")[2].strip().capitalize())
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: says whether it runs, not how fast")
    parser.add_argument("--json", action="store_true", help="every value of every round as JSON")
    parser.add_argument("--only", choices=(*NAMES, BIG), action="append", help="run only this section; may be repeated")
    parser.add_argument("--directory", type=Path, help="where the stores of the run are made (default: the temporary folder)")
    parser.add_argument(
        "--store-size",
        type=_size,
        nargs="?",
        const=STORE_SIZE,
        metavar="EVENTS",
        help=f"the section {BIG}, on a store of so many events (default {STORE_SIZE:,}, least {SMALLEST:,})",
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help=f"where the stores of the section {BIG} stay for the next run")
    given = parser.parse_args(list(arguments))
    only = [*(given.only or ()), *([BIG] if given.store_size else [])]
    return run(
        quick=given.quick,
        json=given.json,
        only=only or NAMES,
        directory=given.directory,
        store_size=given.store_size or (SMALLEST if given.quick else STORE_SIZE),
        keep=given.keep,
    )


def _size(text: str) -> int:
    number = int(text.replace("_", "").replace(",", ""))
    if number < SMALLEST:
        raise argparse.ArgumentTypeError(f"at least {SMALLEST:,}")
    return number


def run(
    *,
    quick: bool = False,
    json: bool = False,
    only: Sequence[str] = NAMES,
    directory: Path | None = None,
    store_size: int = STORE_SIZE,
    keep: Path | None = None,
) -> int:
    """What ``main`` does with its options."""
    from rig.bench.runs import measure  # the sections import all of the daemon
    from rig.bench.settings import Settings

    with tempfile.TemporaryDirectory(prefix="rig-bench-", dir=directory) as folder:
        asyncio.run(measure(Settings(Path(folder), quick, store_size, keep), only, json=json))
    return 0
