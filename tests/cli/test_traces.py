"""``rig trace``: the tree and its durations."""

import pytest

from rig.cli.traces import took, tree


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "0ms"),
        (-5, "0ms"),
        (12_500, "12ms"),
        (1_500_000, "1.5s"),
        (59_940_000, "59.9s"),
        (200_000_000, "3m20s"),
        (3_600_000_000, "1h00m"),
        (7_500_000_000, "2h05m"),
        (273_600_000_000, "3d04h"),
    ],
)
def test_a_duration_is_said_in_two_units_at_most(micros: int, text: str) -> None:
    assert took(micros) == text


def test_spans_stand_below_their_parents() -> None:
    spans: list[dict[str, str | None]] = [
        {"spanId": "r", "parentId": None},
        {"spanId": "a", "parentId": "r"},
        {"spanId": "b", "parentId": "r"},
        {"spanId": "a1", "parentId": "a"},
        {"spanId": "a2", "parentId": "a"},
        {"spanId": "b1", "parentId": "b"},
    ]
    assert [f"{row['branch']}{row['spanId']}" for row in tree(spans)] == ["r", "├ a", "│ ├ a1", "│ └ a2", "└ b", "  └ b1"]
