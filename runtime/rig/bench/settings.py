"""What every section of a run shares."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig.bench.report import Section


@dataclass(frozen=True)
class Settings:
    """How much is measured, and where the stores lie."""

    directory: Path
    quick: bool = False
    store_size: int = 1_000_000
    """Events of the big store."""
    keep: Path | None = None
    """Where big stores are kept for the next run; None: they are made for this run."""

    @property
    def rounds(self) -> int:
        """Rounds of variants that alternate."""
        return 2 if self.quick else 5

    @property
    def seconds(self) -> float:
        """Length of one measurement."""
        return 1.0 if self.quick else 2.0

    @property
    def starts(self) -> int:
        """How often a program is started for a median."""
        return 3 if self.quick else 10

    def fresh(self, name: str) -> Path:
        """A new directory for one store."""
        for number in _numbers():
            path = self.directory / f"{name}-{number}"
            if not path.exists():
                path.mkdir(parents=True)
                return path
        raise AssertionError


def _numbers() -> Iterator[int]:
    number = 0
    while True:
        yield (number := number + 1)


Benchmark = Callable[[Settings], Coroutine[Any, Any, Section]]


async def until_ended(process: asyncio.subprocess.Process) -> bytes:
    """What a child wrote. Raises RuntimeError when it failed."""
    out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"a child of the benchmark ended with {process.returncode}")
    return out
