"""The figures of a run: ratios, targets and the tables that show them."""

import json

import pytest

from rig.bench.report import Line, Report, Section, Target, as_json, number, ratio, section_text


def test_a_ratio_compares_within_a_round() -> None:
    """A machine that is half as fast in one round is that for both variants."""
    assert ratio((100, 50, 110), (200, 100, 200)) == 0.5


def test_a_ratio_needs_the_same_rounds() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratio((1, 2), (1,))


@pytest.mark.parametrize(
    ("value", "bound", "limit", "met"),
    [(0.25, "≥", 0.25, True), (0.24, "≥", 0.25, False), (150.0, "≤", 150.0, True), (150.1, "≤", 150.0, False)],
)
def test_a_target_is_met_at_its_limit(value: float, bound: str, limit: float, met: bool) -> None:
    assert Target("x", value, bound, limit).met is met  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.254, "0.25"), (9.999, "10.00"), (12.34, "12.3"), (99.94, "99.9"), (123.4, "123"), (45678.9, "45,679")],
)
def test_numbers_show_the_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


def test_a_section_says_what_falls_short() -> None:
    section = Section(
        "write", "posting", (Line("slow", "events/s", (10.0, 30.0, 20.0)),), (Target("slow : fast", 0.2, "≥", 0.5),), ("noted",)
    )
    assert section.short
    lines = section_text(section).splitlines()
    assert lines[0] == "write: posting"
    assert lines[1].split() == ["slow", "20.0", "events/s", "[10.0", "–", "30.0]", "n=3"]
    assert lines[2].split() == ["slow", ":", "fast", "0.20", "≥", "0.50", "SHORT"]
    assert lines[3] == "  (noted)"


def test_json_has_every_round_and_whether_targets_are_met() -> None:
    report = Report({"machine": "2 cores"}, [Section("a", "b", (Line("l", "ms", (1.0, 2.0)),), (Target("t", 1.0, "≤", 2.0),))])
    shown = json.loads(as_json(report))
    assert shown["machine"] == {"machine": "2 cores"}
    assert shown["sections"][0]["lines"][0]["values"] == [1.0, 2.0]
    assert shown["sections"][0]["targets"][0]["met"] is True
