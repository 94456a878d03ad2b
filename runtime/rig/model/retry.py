"""When a failed issue may be tried again: 10 s, doubled by each attempt, up to the configured limit."""

BASE_SECONDS = 10.0


def backoff(attempt: int, longest_ms: int) -> float:
    """Seconds to wait after attempt ``attempt`` (counted from 1) failed; ``longest_ms`` 0 is at once."""
    return min(BASE_SECONDS * 2.0 ** min(max(attempt, 1) - 1, 30), longest_ms / 1000)
