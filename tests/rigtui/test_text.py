"""No text from outside moves a cursor, changes a colour, hides, or takes more cells than it is given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from rigtui.text import content, fit, lines, plain, width, wrapped

HOSTILE = [
    "\x1b]0;owned\x07title",
    "\x1b]52;c;ZXZpbA==\x07clip",
    "\x1b[2J\x1b[Hgone",
    "\x9b31mred",
    "\x90q\x9csixel",
    "[bold]markup[/bold] [@click=app.quit]x[/]",
    "[/nothing]",
    "right\u202eleft",
    "日本語のタイトルはとても広い",
    "👩\u200d🚀 family 👨\u200d👩\u200d👧 ❤\ufe0f 🇩🇪 👍🏽",
    "z\u0300\u0301\u0302\u0303\u0304algo",
    "tab\there",
    "two\nlines",
    "nul\x00byte",
    "\ud800 lone",
    "\u2028separator",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("cells", [0, 1, 2, 7, 40])
def test_a_cell_takes_as_many_cells_as_it_is_given(text: str, cells: int) -> None:
    for shown in (fit(plain(text), cells), fit(plain(text), cells, right=True), fit(plain(text), cells, keep_end=True)):
        assert cell_len(shown) == cells
        assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u2028\ufe0f\u200d" for c in shown)


@given(st.text(), st.integers(0, 30))
def test_any_text_fits_and_stays_on_its_line(text: str, cells: int) -> None:
    shown = fit(plain(text), cells)
    assert cell_len(shown) == cells
    assert "\n" not in shown
    assert "\x1b" not in shown


@given(st.text(), st.integers(2, 30))
def test_wrapping_loses_nothing_but_spaces_and_never_exceeds(text: str, cells: int) -> None:
    line = plain(text)
    parts = wrapped(line, cells)
    assert all(width(part) <= cells for part in parts)
    assert "".join(parts).replace(" ", "") == line.replace(" ", "")


def test_markup_is_text() -> None:
    shown = content("[bold]x[/bold] [@click=app.quit]y[/]")
    assert shown.plain == "[bold]x[/bold] [@click=app.quit]y[/]"
    assert shown.spans == []


def test_a_name_is_cut_at_its_beginning_where_it_differs_at_its_end() -> None:
    assert fit("organisation/repository#12", 14, keep_end=True) == "repository#12 "
    assert fit("organisation/a-very-long-repository#12", 10, keep_end=True) == "…sitory#12"


def test_a_log_line_keeps_its_indentation() -> None:
    assert lines("a:\n\tb\r\n  c") == ["a:", "    b", "  c"]
