"""A slower disk: a library that is loaded before the C library and makes every fsync and fdatasync take longer."""

import asyncio
import shutil
import sys
from pathlib import Path

_SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static void late(void) {
    struct timespec t = {0, atol(getenv("RIG_BENCH_FSYNC_NS"))};
    nanosleep(&t, 0);
}
int fsync(int fd) { late(); return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd); }
int fdatasync(int fd) { late(); return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd); }
"""


async def slow_fsync(directory: Path, milliseconds: float) -> dict[str, str] | str:
    """Variables for the environment of a process whose syncs take so much longer; or why that can't be had here."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not sys.platform.startswith("linux") or compiler is None:
        return "a slower disk needs Linux and a C compiler"
    source, library = directory / "slow.c", directory / "slow.so"
    source.write_text(_SOURCE)
    process = await asyncio.create_subprocess_exec(
        compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl", stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    if process.returncode:
        return f"{compiler} failed: {errors.decode(errors='replace')[:200]}"
    return {"LD_PRELOAD": str(library), "RIG_BENCH_FSYNC_NS": str(round(milliseconds * 1e6))}
