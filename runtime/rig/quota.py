"""How much others may write into the daemon's log: so many records a second, whatever loggers they take."""

from contextvars import ContextVar

RATE = 100
"""Records a second that are taken."""


class Quota:
    """Counts the records of one plugin; used on any thread, where a record more or less does not matter."""

    def __init__(self, rate: int = RATE) -> None:
        self._rate = rate
        self._second = 0.0
        self._seen = 0
        self._left_out = 0

    def admits(self, at: float) -> bool:
        """Whether a record of this time, in seconds, is taken."""
        if at - self._second >= 1:
            self._second, self._seen = at, 0
        self._seen += 1
        if self._seen > self._rate:
            self._left_out += 1
            return False
        return True

    def settle(self) -> int:
        """How many records were left out since this was last asked."""
        left, self._left_out = self._left_out, 0
        return left


WRITING: ContextVar[Quota | None] = ContextVar("WRITING", default=None)
"""Whose code runs, set around each call into a plugin; None for Rig's own."""
