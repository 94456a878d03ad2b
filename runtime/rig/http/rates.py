"""How often something was asked in the last minute: a sliding window by the monotonic clock, so that no clock step opens it."""

from collections import deque

from rig.errors import TooManyRequests

WINDOW = 60.0
"""Seconds."""


class Rates:
    """Counts by key; keys are names from the configuration, and each holds as many times as its limit, so memory is bounded."""

    def __init__(self) -> None:
        self._times: dict[str, deque[float]] = {}

    def admit(self, key: str, limit: int, now: float) -> None:
        """Count a request at ``now`` (monotonic seconds); raises TooManyRequests when ``limit`` came within a minute. 0: no limit."""
        if limit <= 0:
            self._times.pop(key, None)
            return
        times = self._times.setdefault(key, deque())
        while times and now - times[0] >= WINDOW:
            times.popleft()
        if len(times) >= limit:
            error = TooManyRequests(f"more than {limit} requests within a minute")
            error.retry_after = int(WINDOW - (now - times[-limit])) + 1
            raise error
        times.append(now)
