"""Facts of the machine that a figure depends on."""

import os
import platform
import sqlite3
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter

import psutil

from rig.bench.children import loop_factory


def facts(directory: Path) -> dict[str, str]:
    """Processor, versions, and what one fdatasync costs where the stores of the run lie."""
    memory = psutil.virtual_memory().total / 2**30
    p50, p99 = fsync_micros(directory)
    return {
        "machine": f"{os.cpu_count()} cores, {memory:.0f} GiB, load {os.getloadavg()[0]:.1f}, {platform.system()} {platform.release()}",
        "versions": f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, loop {loop_name()}",
        "disk": f"{filesystem(directory)} at {directory}; 4 KiB overwrite + fdatasync p50 {p50:.0f} µs, p99 {p99:.0f} µs",
    }


def loop_name() -> str:
    """The event loop that the daemon runs on."""
    return "asyncio" if loop_factory() is None else f"uvloop {version('uvloop')}"


def filesystem(directory: Path) -> str:
    """The type of the file system that holds ``directory``; tmpfs syncs nothing."""
    mounts = [m for m in psutil.disk_partitions(all=True) if directory.resolve().is_relative_to(m.mountpoint)]
    return max(mounts, key=lambda m: len(m.mountpoint)).fstype if mounts else "unknown file system"


def fsync_micros(directory: Path, count: int = 200) -> tuple[float, float]:
    """Median and 99th percentile of writing a page over an old one and syncing it, in microseconds."""
    path = directory / "fsync"
    page = os.urandom(4096)
    times = []
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        for _ in range(count):
            began = perf_counter()
            os.pwrite(fd, page, 0)
            os.fdatasync(fd)
            times.append((perf_counter() - began) * 1e6)
    finally:
        os.close(fd)
        path.unlink()
    return median(times), sorted(times)[count * 99 // 100]
