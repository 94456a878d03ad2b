import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.cli import tables, words
from rig.cli.output import Output
from rig.cli.tables import Column
from tests.test_text import HOSTILE

ATTACKS = [text for _, text, _ in HOSTILE]

COLUMNS = (Column("ID", "id"), Column("N", "n", right=True), Column("TITLE", "title", gives=1))


@given(st.text(max_size=200), st.text(max_size=60), st.integers(30, 120))
def test_no_line_is_wider_than_the_terminal(title: str, id: str, room: int) -> None:
    rows = [{"id": id, "n": 10**6, "title": title}, {"id": "a", "n": 1, "title": ""}]
    for line in tables.lines(tables.cells(rows, COLUMNS), COLUMNS, room):
        assert tables.wide(line) <= room


def test_the_column_that_gives_is_cut_and_the_others_stay_whole() -> None:
    rows = [{"id": "acme/web#1", "n": 7, "title": "x" * 100}]
    head, line = tables.lines(tables.cells(rows, COLUMNS), COLUMNS, 40)
    assert head == "ID          N  TITLE"
    assert line == "acme/web#1  7  " + "x" * 24 + "…"


def test_the_number_of_an_issue_stays_where_its_repository_is_cut() -> None:
    columns = (Column("ISSUE", "id", gives=1, tail=True), Column("TITLE", "title", gives=1))
    rows = [{"id": f"dashecorp/rig-conductor#{n}", "title": "Add a health check"} for n in (42, 433)]
    assert tables.lines(tables.cells(rows, columns), columns, 30)[1:] == [
        "…-conductor#42  Add a health …",
        "…conductor#433  Add a health …",
    ]
    assert tables.cut_front("ab日本", 4) == "…本"


def test_wide_characters_keep_the_columns_straight() -> None:
    columns = (Column("A", "a"), Column("B", "b"))
    rows = [{"a": "日本", "b": "x"}, {"a": "ab", "b": "y"}]
    assert tables.lines(tables.cells(rows, columns), columns, 80)[1:] == ["日本  x", "ab    y"]
    assert tables.cut("日本語", 4) == "日…"


def test_a_table_without_rows_is_its_headings() -> None:
    assert tables.lines([], COLUMNS, 80) == ["ID  N  TITLE"]


@pytest.mark.parametrize("format_", ["table", "json", "ndjson", "id"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_from_outside_can_move_the_cursor(format_: str, attack: str, capsys: pytest.CaptureFixture[str]) -> None:
    Output(format_).rows([{"id": attack, "n": 1, "title": attack}], COLUMNS, lambda row: row["id"])
    shown = capsys.readouterr().out
    assert not {c for c in shown if c != "\n" and not c.isprintable()}
    assert shown.count("\n") == {"table": 2, "json": 7, "ndjson": 1, "id": 1}[format_]


@pytest.mark.parametrize("attack", ATTACKS)
def test_json_reads_back_as_the_same_value(attack: str) -> None:
    assert json.loads(words.safe_json({attack: attack})) == {attack: attack}


def test_a_filter_looks_at_the_shown_columns_in_any_case(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"id": "a", "n": 1, "title": "Fix Typo", "hidden": "zebra"}, {"id": "b", "n": 2, "title": "Other"}]
    for text, expected in (("typo", "a\n"), ("zebra", ""), ("2", "b\n"), ("", "a\nb\n")):
        Output("id", text).rows(rows, COLUMNS, lambda row: row["id"])
        assert capsys.readouterr().out == expected


@pytest.mark.parametrize(
    ("usd", "shown"), [(0, "$0.00"), (0.231673, "$0.2317"), (1.005, "$1.00"), (1234.5, "$1,234.50"), (None, "–"), (0.00001, "$0.0000")]
)  # fmt: skip
def test_money_is_readable(usd: float | None, shown: str) -> None:
    assert words.money(usd) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h"), (86_400, "1d"), (-5, "0s")]
)
def test_an_age_is_its_largest_unit(seconds: int, shown: str) -> None:
    assert words.ago("2026-01-01T00:00:00.000Z", 1_767_225_600_000_000 + seconds * 1_000_000) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), ("", "–"), (True, "yes"), (False, "no"), (0, "0"), ((), "–"), (["a", None], "a, –")]
)
def test_values_are_words(value: object, shown: str) -> None:
    assert words.word(value) == shown


def test_a_text_that_wraps_is_shown_in_full() -> None:
    columns = (Column("CODE", "code"), Column("WHY", "why", gives=1, wraps=True))
    rows = [{"code": "vetoed", "why": "it is still a draft, says the plugin"}, {"code": "wide", "why": "漢字漢字漢字漢字"}]
    shown = tables.lines(tables.cells(rows, columns), columns, 24)
    assert max(map(tables.wide, shown)) <= 24
    assert shown[0].split() == ["CODE", "WHY"]
    assert " ".join(line[8:].strip() for line in shown[1:4]) == "it is still a draft, says the plugin"
    assert "".join(line[8:].strip() for line in shown[4:] if line) == "漢字漢字漢字漢字"
