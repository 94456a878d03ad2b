"""What all threads do at a moment, for whoever looks into a daemon that hangs."""

import faulthandler
import signal
from typing import TextIO


def dump_stacks_on(signum: int = signal.SIGUSR1, file: TextIO | None = None) -> None:
    """Have the stacks of all threads written to ``file`` (None: stderr) on a signal, even while the loop hangs."""
    if file is None:
        faulthandler.register(signum, all_threads=True)
    else:
        faulthandler.register(signum, file=file, all_threads=True)
