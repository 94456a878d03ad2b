"""A signal shows what all threads do."""

import os
import signal
from pathlib import Path

from rig.actors.stacks import dump_stacks_on


def test_a_signal_writes_the_stacks_of_all_threads(tmp_path: Path) -> None:
    with (tmp_path / "stacks").open("w") as file:
        dump_stacks_on(signal.SIGUSR1, file)
        os.kill(os.getpid(), signal.SIGUSR1)
    assert "test_stacks.py" in (tmp_path / "stacks").read_text()
