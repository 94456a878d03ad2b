"""What plugins raise, as one line for people that names the line of the plugin's own code."""

import re
from pathlib import Path
from traceback import walk_tb

from rig.text import one_line

MAX_ERROR = 300
"""Characters of such a line."""


class Died(Exception):
    """The process of an isolated plugin ended; always a strike."""


class Answered(Exception):
    """What an isolated plugin raised, as the line that its process made of it."""


def describe(error: BaseException) -> str:
    """An exception as one short line: its name, and its text where it has one."""
    return _described(error, MAX_ERROR)


def told(error: BaseException, package: str) -> str:
    """The same with the place in the plugin's package that the error passed last, which no long text pushes out."""
    where = _place(error, package)
    return f"{_described(error, MAX_ERROR - len(where))}{where}"


def headline(line: str) -> str:
    """What anybody may read of such a line: without the exception's text, and without its place."""
    return re.split(": | [(]", line)[0]


def _described(error: BaseException, limit: int) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - it is the plugin's code that says it
        text = ""
    if isinstance(error, Answered):
        return one_line(text, limit)
    return one_line(f"{type(error).__name__}: {text}" if text.strip() else type(error).__name__, limit)


def _place(error: BaseException, package: str) -> str:
    lines = [
        f" ({Path(frame.f_code.co_filename).name}:{line})"
        for frame, line in walk_tb(error.__traceback__)
        if package and str(frame.f_globals.get("__name__", "")).partition(".")[0] == package
    ]
    return lines[-1] if lines else ""
