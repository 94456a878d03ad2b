"""Values as an operator reads them."""

import pytest

from rigtui.words import SIGNS, age, count, span, state_of, usd
from tests.rigtui.fakes import NOW, issue


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1_000, "1.0k"), (34_993, "35.0k"), (99_950, "100k"), (999_960, "1.0M"), (4_200_000_000, "4.2G")],
)
def test_a_count_takes_five_cells_at_most(number: int, text: str) -> None:
    assert count(number) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [(None, "–"), (0.0, "$0.000"), (0.0906, "$0.091"), (1.5, "$1.500"), (123.4, "$123.40"), (12_345.6, "$12.3k")],
)
def test_money(amount: float | None, text: str) -> None:
    assert usd(amount) == text


@pytest.mark.parametrize(("seconds", "text"), [(-5, "0s"), (59, "59s"), (60, "1m"), (7_199, "1h"), (864_000, "10d")])
def test_a_span_takes_four_cells_at_most(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_an_age_is_by_the_daemons_clock() -> None:
    assert age("2025-06-15T15:05:40.000Z", NOW) == "1m"
    assert age(None, NOW) == age("never", NOW) == ""


def test_no_state_is_told_by_its_colour_alone() -> None:
    assert len(set(SIGNS.values())) == len(SIGNS)
    assert state_of(issue(1, "failed", cancelled=True)) == "cancelled"
    assert state_of(issue(1, "in_progress"), asking=True) == "asks"
    assert state_of(issue(1, "done"), asking=True) == "done"
