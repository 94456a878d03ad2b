"""The only place that reads a clock: wall time at start plus monotonic, so it never goes back (I10)."""

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

Micros = int
"""Microseconds since 1970-01-01T00:00:00Z; the unit of every instant in the log."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What every other module asks for the time."""

    def now(self) -> Micros:
        """The current instant; never smaller than an instant given before."""
        ...

    def monotonic(self) -> float:
        """Seconds of uptime-like time, for intervals only."""
        ...


class SystemClock:
    """Wall time read once, then moved by the monotonic clock alone.

    ``floor`` is the newest instant in the log: the clock starts there if the wall clock was set back while Rig was down.
    """

    def __init__(self, floor: Micros = 0) -> None:
        self._mono0 = time.monotonic_ns()
        self._wall0 = max(time.time_ns() // 1000, floor)

    def now(self) -> Micros:
        return self._wall0 + (time.monotonic_ns() - self._mono0) // 1000

    def monotonic(self) -> float:
        return time.monotonic()

    def drift(self) -> float:
        """Seconds by which the wall clock has run away from this clock since the start (a step of the wall clock)."""
        return time.time() - self.now() / 1e6

    def raise_floor(self, floor: Micros) -> None:
        """Make sure that later readings are not before ``floor``; called once the log is open."""
        now = self.now()
        if floor > now:
            self._wall0 += floor - now


class ManualClock:
    """A clock for tests that moves only when told."""

    def __init__(self, at: Micros = 1_750_000_000_000_000) -> None:
        self._now = at
        self._mono = 1000.0

    def now(self) -> Micros:
        return self._now

    def monotonic(self) -> float:
        return self._mono

    def advance(self, seconds: float) -> None:
        self._now += int(seconds * 1e6)
        self._mono += seconds


def iso(at: Micros) -> str:
    """``at`` as UTC ISO-8601 with milliseconds, ending in Z."""
    day, millis = divmod(at // 1000, 86_400_000)
    minute, millis = divmod(millis, 60_000)
    second, millis = divmod(millis, 1000)
    return (
        _day(day) + _MINUTES[minute] + _SECONDS[second] + _MILLIS[millis]
    )  # put together of parts: lists have thousands of them


_MINUTES = tuple(f"{minute // 60:02d}:{minute % 60:02d}:" for minute in range(1440))
_SECONDS = tuple(f"{second:02d}." for second in range(60))
_MILLIS = tuple(f"{millis:03d}Z" for millis in range(1000))


@lru_cache(1024)
def _day(day: int) -> str:
    return f"{(_EPOCH + timedelta(days=day)).date().isoformat()}T"


def iso_exact(at: Micros) -> str:
    """``iso`` with all six digits; ``micros`` gives the same instant back."""
    return f"{iso(at)[:-1]}{at % 1000:03d}Z"


def iso_or_none(at: Micros | None) -> str | None:
    """``iso`` that lets None through."""
    return None if at is None else iso(at)


def micros(text: str) -> Micros:
    """The instant that an ISO-8601 text names; a text without a zone is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)
