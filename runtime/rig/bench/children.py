"""Servers as processes of their own: the daemon, and what it is compared with."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit

import psutil

from rig.ids import SystemIds
from rig.model.call import SCOPES
from rig.model.events import NewEvent, encode
from rig.store.log import Log
from rig.store.opening import open_sqlite
from rig.store.units import Unit
from rig.store.verify import DATABASE
from rig.vault.keys import NewKey, make_key

READY_WITHIN = 30.0
CONFIG = '[auth]\nmode = "required"\n'


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where there is one, as the daemon has it."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


@dataclass(frozen=True)
class Child:
    """A server that is up."""

    process: asyncio.subprocess.Process
    url: str
    ready: float
    """Seconds from the start of the process to its line that it listens."""

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    @property
    def rss(self) -> float:
        """Resident megabytes."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6

    def cpu_seconds(self) -> float:
        """Processor time so far, user and system."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)


def environment(**more: str) -> dict[str, str]:
    """The caller's, without what would configure a daemon."""
    return {k: v for k, v in os.environ.items() if not k.startswith("RIG_")} | {"PYTHONUNBUFFERED": "1"} | more


@asynccontextmanager
async def running(*command: str, cwd: Path) -> AsyncIterator[Child]:
    """Start a server that says ``… listening on URL``; it is ended whatever happens. Raises RuntimeError if it does not come up."""
    log = cwd / "stderr.log"
    began = perf_counter()
    with log.open("a") as errors:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=cwd, env=environment(), stdout=asyncio.subprocess.PIPE, stderr=errors, start_new_session=True
        )
    assert process.stdout is not None
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), READY_WITHIN)).decode()
        if "listening on http" not in line:
            raise RuntimeError(f"{' '.join(command)} did not start: {line}{log.read_text()[-2000:]}")
        yield Child(process, line.split()[-1], perf_counter() - began)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), 15)
            except TimeoutError:
                process.kill()
                await process.wait()


@asynccontextmanager
async def daemon(directory: Path, module: str = "rig.cli") -> AsyncIterator[Child]:
    """``rig serve`` on a data directory; ``module`` may be another program with the same command line."""
    config = directory / "rig.toml"
    config.write_text(CONFIG)
    command = (
        sys.executable,
        "-P",
        "-m",
        module,
        "serve",
        "--config",
        str(config),
        "--data-dir",
        str(data_of(directory)),
        "--port",
        "0",
    )
    async with running(*command, cwd=directory) as child:
        yield child


def data_of(directory: Path) -> Path:
    """The data directory of a daemon in ``directory``."""
    return directory / "data"


async def store_key(log: Log) -> NewKey:
    """Put an admin's API key into a log."""
    ids = SystemIds()
    key = make_key(ids)
    body = {"id": ids.uuid(), "name": "bench", "prefix": key.prefix, "digest": key.digest, "scopes": list(SCOPES)}
    await log.commit(Unit("default", (NewEvent("keys", "key_created", encode(body)),), operation="create_key"))
    return key


async def keyed_store(directory: Path) -> str:
    """Make the store of a daemon that is not started yet; the key that it lets in."""
    data_of(directory).mkdir(parents=True)
    log = open_sqlite(data_of(directory)).log
    key = await store_key(log)
    await log.close()
    return key.text


def stored(directory: Path, operation: str) -> int:
    """How many events an operation left in the log of a daemon that has ended."""
    with closing(sqlite3.connect(data_of(directory) / DATABASE)) as connection:
        found = connection.execute("SELECT count(*) FROM events WHERE operation = ?", (operation,)).fetchone()
    return int(found[0])
