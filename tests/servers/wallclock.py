"""The wall clock of a child process, which a test may let jump: libfaketime in front of the C library."""

import time
from pathlib import Path

KEPT = 1
"""Seconds for which a child keeps what it read. One that reads the file with every look at a clock hardly gets on under load."""


class WallClock:
    """A file says how far the clock is off; the monotonic clock goes on as it does."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is there. Raises ValueError without libfaketime."""
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
        self._file = folder / "wall"
        self._file.write_text("+0\n")
        self.environ = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": str(KEPT),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def jump(self, offset: str) -> None:
        """From now on it is ``offset`` from the time (``-2h``, ``+10d``); children that run have seen it when this returns."""
        self._file.write_text(f"{offset}\n")
        time.sleep(KEPT + 0.2)
