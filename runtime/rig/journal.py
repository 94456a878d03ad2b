"""How the daemon logs: to stderr, for people on a terminal, as JSON lines elsewhere; one record a line whatever it quotes."""

import io
import logging
import sys
from typing import Any, TextIO

import structlog

from rig.quota import RATE, WRITING
from rig.text import one_line

LIMIT = 4000
"""Longest text of one record."""


def _inert(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Nothing that was quoted may move the cursor, forge a line or fill a disk."""
    for key, value in event.items():
        if isinstance(value, str) and key != "exception":
            event[key] = one_line(value, LIMIT)
    return event


class Flood(logging.Filter):
    """Takes at most ``RATE`` records a second of each logger that is not Rig's own, and says how many it left out.

    What a plugin logs while Rig calls it counts for the plugin, whatever logger it takes; its guard says what was left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[str, tuple[float, int]] = {}
        """Logger to the second that it is in, and its records in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        quota = WRITING.get()
        if quota is not None:
            return quota.admits(record.created)
        if record.name.partition(".")[0] == "rig":
            return True
        second, count = self._seen.get(record.name, (record.created, 0))
        if record.created - second >= 1:
            if count > RATE:
                record.msg = f"{record.getMessage()} (and {count - RATE} more records of this logger before)"
                record.args = ()
            second, count = record.created, 0
        if len(self._seen) > 1000:
            self._seen.clear()
        self._seen[record.name] = (second, count + 1)
        return count < RATE


class Printed(io.TextIOBase):
    """What stands in for stdout while the daemon serves: a plugin's ``print`` is a record of the logger ``print``."""

    def __init__(self) -> None:
        self._log = logging.getLogger("print")

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line.strip():
                self._log.info("%s", line)
        return len(text)


def set_up(stream: TextIO | None = None, *, level: int = logging.INFO) -> None:
    """Send every logger's records to ``stream`` (stderr when None); called once by the process that serves."""
    stream = stream or sys.stderr
    renderer: structlog.typing.Processor
    if stream.isatty():
        renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
        final: list[structlog.typing.Processor] = [structlog.processors.TimeStamper("%H:%M:%S", utc=False), renderer]
    else:
        final = [
            structlog.processors.TimeStamper("iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _inert, *final],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    handler.addFilter(Flood())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
