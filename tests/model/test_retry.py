import pytest

from rig.model.retry import backoff


@pytest.mark.parametrize(
    ("attempt", "longest", "seconds"),
    [
        (1, 300_000, 10),
        (2, 300_000, 20),
        (5, 300_000, 160),
        (6, 300_000, 300),
        (10_000, 300_000, 300),
        (0, 300_000, 10),
        (3, 0, 0),
    ],
)
def test_the_wait_doubles_up_to_its_limit(attempt: int, longest: int, seconds: float) -> None:
    assert backoff(attempt, longest) == seconds
