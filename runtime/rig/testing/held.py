"""What the process holds on to: threads, open files and child processes, so that a check can see what was left behind."""

import asyncio
import gc
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil

GRACE = 2.0
"""Seconds that what is ending gets to end."""


@dataclass(frozen=True)
class Held:
    """A moment's threads, files and children."""

    threads: frozenset[threading.Thread]
    files: Mapping[int, str]
    """Descriptor to what it is, where the system says so."""
    children: frozenset[int]

    @classmethod
    def now(cls) -> "Held":
        """What is held at present."""
        return cls(frozenset(threading.enumerate()), _files(), frozenset(p.pid for p in psutil.Process().children()))

    def more(self) -> list[str]:
        """What is held now and was not then, in words."""
        now = Held.now()
        threads = [f"the thread {t.name}" for t in now.threads - self.threads if t.is_alive()]
        files = [f"the open file {fd} ({what})" for fd, what in now.files.items() if self.files.get(fd) != what]
        return sorted([*threads, *files, *(f"the process {pid}" for pid in now.children - self.children)])

    async def settle(self) -> list[str]:
        """The same once what is ending had its time; tasks of the running loop other than this one count too."""
        end = time.monotonic() + GRACE
        while True:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            left = [f"the task {task.get_name()} ({_of(task)})" for task in others]
            if not left and (left := self.more()):
                gc.collect()  # what nobody refers to any more closes its files
                left = self.more()
            if not left or time.monotonic() > end:
                return left
            await asyncio.sleep(0.02)


def _of(task: "asyncio.Task[object]") -> str:
    return getattr(task.get_coro(), "__qualname__", "unknown")


def _files() -> dict[int, str]:
    folder = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    found = {}
    for name in os.listdir(folder):
        with suppress(OSError, ValueError):  # the listing's own descriptor is closed by now
            os.fstat(int(name))
            found[int(name)] = os.readlink(f"{folder}/{name}") if folder.startswith("/proc") else "open"
    return found
