"""What an event means, in words."""

import pytest

from rig.wire.story import tell


@pytest.mark.parametrize(("lines", "said"), [(0, "0 log lines kept"), (1, "1 log line kept"), (2, "2 log lines kept")])
def test_lines_of_a_log_are_counted_as_people_count(lines: int, said: str) -> None:
    assert tell("log_sealed", {"lines": lines}, None) == said
