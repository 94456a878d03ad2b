"""The process around a service: options, signals, the line that says it serves, and an end that comes in time."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TextIO

from rig import config, journal
from rig.actors.stacks import dump_stacks_on
from rig.config import Configuration
from rig.service import Service

log = logging.getLogger(__name__)

STOP_SECONDS = 10.0
"""How long a stop may take before the process just ends (I32)."""


@dataclass(frozen=True)
class ServeOptions:
    """What the command line says to ``rig serve``."""

    config: Path | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Dotted keys of the configuration with their values."""
    data_dir: Path | None = None
    plugins_dir: Path | None = None


def run(options: ServeOptions, service: type[Service] = Service) -> int:
    """Serve until a signal; the exit code. Errors of the start are for the caller, who says them in one line."""
    arguments = {**options.overrides, "plugins.dir": options.plugins_dir and str(options.plugins_dir)}
    settings = config.load(config=options.config, data_dir=options.data_dir, arguments=arguments)
    journal.set_up()
    os.umask(0o077)
    out = sys.stdout
    with (
        contextlib.redirect_stdout(journal.Printed()),
        _not_forked(),
        asyncio.Runner(loop_factory=_loop_factory()) as runner,
    ):
        return runner.run(_serve(settings, out, service))


@contextlib.contextmanager
def _not_forked() -> Iterator[None]:
    """Nothing forks the daemon meanwhile: the copy would hold its listener, its lock and its files. Programs start as ever."""

    def refused() -> NoReturn:
        raise RuntimeError('the daemon is not to be forked: start a program, or set isolate = "process"')

    before = os.fork, os.forkpty
    os.fork = os.forkpty = refused
    try:
        yield
    finally:
        os.fork, os.forkpty = before


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(settings: Configuration, out: TextIO, kind: type[Service]) -> int:
    stop = asyncio.Event()
    failure: list[BaseException] = []

    def fatal(error: BaseException) -> None:
        failure.append(error)
        stop.set()

    _on_signals(stop)
    dump_stacks_on(signal.SIGUSR1)
    async with AsyncExitStack() as stack:
        service = kind(settings, stack, fatal)
        serving = await service.start()
        print(f"rig listening on {serving.url}", file=out, flush=True)
        gc.freeze()  # what the start made stays: looking through it at each full collection stalled the loop for 90 ms
        gc.set_threshold(20_000, 10, 10)  # a request makes hundreds of objects and no cycle
        await stop.wait()
        if failure:
            log.critical("stopping: %s", failure[0])
            os._exit(1)  # what is on disk is unknown: nothing more may be written, not even by an orderly end
        asyncio.get_running_loop().call_later(STOP_SECONDS, os._exit, 1)
        service.vitals.draining = True
    return 0


def _on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def end() -> None:
        if stop.is_set():
            os._exit(1)  # asked twice
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    loop.add_signal_handler(signal.SIGHUP, lambda: log.info("SIGHUP is ignored; change the overlay instead"))
