"""How the dashboard ends when nobody at it says so: by a signal, or because its terminal has gone."""

import asyncio
import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

STUCK = 2.0
"""Seconds that a terminal gets to take the last output."""


class Ending:
    """Heeds SIGTERM, SIGHUP, and its terminal: one that hangs up sends SIGHUP only to the session that it controls."""

    def __init__(self, leave: Callable[[], None]) -> None:
        """``leave`` leaves the dashboard; it is called on the event loop."""
        self._leave = leave
        self._before: dict[signal.Signals, Any] = {}
        """What signals did before."""

    def begin(self, *, terminal: bool) -> None:
        """Heed them from now on; on the event loop. ``terminal`` says whether there is one."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ValueError):  # not on the main thread: whoever runs it there hears of signals
            for number in (signal.SIGTERM, signal.SIGHUP):
                self._before[number] = signal.signal(number, lambda told, _: self._end(loop, told))
        if terminal:
            threading.Thread(target=self._until_hung_up, args=(loop,), daemon=True, name="rigtui-terminal").start()

    def over(self) -> None:
        """Have signals do what they did before."""
        for number, before in self._before.items():
            signal.signal(number, before)

    def _until_hung_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """Textual takes the end of its input for a pause, and reads it again at once, for ever."""
        terminal = select.poll()
        for stream in (sys.__stdin__, sys.__stderr__):  # Textual reads the one and draws on the other
            if stream is not None:
                terminal.register(stream.fileno(), 0)  # of nothing but its end
        terminal.poll()
        self._end(loop, signal.SIGHUP)

    def _end(self, loop: asyncio.AbstractEventLoop, number: int) -> None:
        """Leave, and the terminal as it was found; without its help when it takes no output any more.

        Textual waits for such a terminal for ever, even on the loop, which would then hear of nothing.
        """
        stuck = threading.Timer(STUCK, os._exit, (128 + number,))
        stuck.daemon = True
        stuck.start()
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(self._leave)
