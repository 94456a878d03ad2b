"""Asking a program something over its pipes."""

import asyncio
import time

import psutil
import pytest

from rig.errors import ProcessError
from rig.probes import converse


def number(line: bytes) -> int | None:
    return int(line) if line.strip().isdigit() else None


async def test_the_first_line_that_means_something_is_the_answer_and_the_program_is_ended() -> None:
    script = 'read word; echo "you said $word"; echo "$HOME"; echo 42; sleep 60 & echo $!; wait'
    homes: list[bytes] = []

    def heard(line: bytes) -> int | None:
        homes.append(line)
        found = number(line)
        return found if found != 42 else None

    sleeper = await converse(["bash", "-c", script], {}, b"hello\n", heard)
    assert homes[0] == b"you said hello\n"
    assert b"rig-probe-" in homes[1]
    deadline = time.monotonic() + 5
    while psutil.pid_exists(sleeper) and psutil.Process(sleeper).status() != "zombie" and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    assert not psutil.pid_exists(sleeper) or psutil.Process(sleeper).status() == "zombie"


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["/nonexistent/agent"], "agent can't be asked: No such file or directory"),
        (["bash", "-c", "echo nothing"], "bash ended before it answered"),
        (["bash", "-c", "exec <&-; echo nothing"], "bash ended before it answered"),
        (["bash", "-c", "sleep 60"], "bash did not answer within 0.3 s"),
        (["bash", "-c", "head -c 5000000 /dev/zero"], "bash can't be asked: "),
    ],
)
async def test_one_that_says_nothing_is_an_error_in_one_line(argv: list[str], why: str) -> None:
    with pytest.raises(ProcessError) as raised:
        await converse(argv, {}, b"x" * 1_000_000, number, longest=0.3 if "sleep" in argv[-1] else 10)
    assert raised.value.message.startswith(why)
    assert "\n" not in raised.value.message
