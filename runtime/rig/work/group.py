"""Process groups and what escaped from them: who is in one, how it is ended, and proof that it is empty (I11)."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from rig.work.environment import MARKER
from rig.work.threads import in_thread

_TICKS = os.sysconf("SC_CLK_TCK")
PROOF_SECONDS = 5.0
"""How long the kernel may take to remove killed processes before the group counts as not empty."""


def start_time(pid: int) -> float | None:
    """When a process started, as a number that no other process with this id has; None when there is none.

    Seconds since the machine's start on Linux, so that a step of the wall clock does not change it.
    """
    try:
        if Path("/proc/self/stat").exists():
            return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19]) / _TICKS
        return psutil.Process(pid).create_time()
    except (OSError, psutil.Error):
        return None


def members(pgid: int, marker: str | None, leader: float | None = None) -> list[psutil.Process]:
    """Living processes of the group or session ``pgid``, and those that carry ``marker`` in their environment. Blocks.

    With ``leader``, the start time of the group's leader, a group that has another leader, or none, counts only by marker.
    """
    ours = leader is None or start_time(pgid) == leader
    found = []
    for pid in psutil.pids():
        if pid in (0, 1, os.getpid()):
            continue
        try:
            grouped = ours and pgid > 1 and (os.getpgid(pid) == pgid or os.getsid(pid) == pgid)
            if (grouped or _carries(pid, marker)) and (process := psutil.Process(pid)).status() not in _GONE:
                found.append(process)
        except (OSError, psutil.Error):
            continue  # it ended meanwhile, or is not ours to look at
    return found


_GONE = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


def _carries(pid: int, marker: str | None) -> bool:
    if not marker:
        return False
    try:
        if (file := Path(f"/proc/{pid}/environ")).exists():
            return f"\0{MARKER}={marker}\0".encode() in b"\0" + file.read_bytes() + b"\0"
        return bool(psutil.Process(pid).environ().get(MARKER) == marker)
    except (OSError, psutil.Error):
        return False


async def end(find: Callable[[], list[psutil.Process]], grace: float, group: int | None = None) -> bool:
    """Send TERM to what ``find`` finds, after ``grace`` seconds KILL, until nothing is found; True when that is proven.

    ``find`` runs on a thread. Signals go to processes checked by id and start time, never to a bare id; ``group`` is killed
    as one besides, so that nothing forks itself away, and may be given only while its leader is not reaped.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + grace
    told: set[psutil.Process] = set()
    while loop.time() < deadline:
        alive = await _seen(find)
        if not alive:
            return True
        _signal([process for process in alive if process not in told], signal.SIGTERM)
        told.update(alive)
        await asyncio.sleep(min(0.05, max(0.0, deadline - loop.time())))
    deadline = loop.time() + PROOF_SECONDS
    while alive := await _seen(find):
        if group is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
        _signal(alive, signal.SIGKILL)
        if loop.time() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


async def _seen(find: Callable[[], list[psutil.Process]]) -> list[psutil.Process]:
    """What ``find`` finds; nothing only if it finds nothing twice: amid an exec a process shows an empty environment."""
    if alive := await in_thread(find):
        return alive
    await asyncio.sleep(0.01)
    return await in_thread(find)


def _signal(processes: list[psutil.Process], number: int) -> None:
    for process in processes:
        try:
            process.send_signal(number)  # psutil compares the start time first
            if number == signal.SIGTERM:
                process.send_signal(signal.SIGCONT)  # a stopped process would never see it
        except psutil.Error:
            continue


async def end_orphans(execution: str, pgid: int | None, leader: float | None, grace: float = 5.0) -> bool:
    """End what a killed daemon left running for ``execution``; True when nothing of it is left.

    Its output pipes died with the daemon, so an orphan cannot be gone on with. The group counts as ours only while its
    leader has the recorded start time; apart from that only processes that carry the execution's marker do.
    """
    group = pgid if pgid is not None and leader is not None else 0
    return await end(lambda: members(group, execution, leader if group else None), grace)
