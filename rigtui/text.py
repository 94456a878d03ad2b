"""The only door from data to the screen: what comes out is inert and as wide as it says.

No text from outside is ever parsed as markup. Escape sequences, control, bidi and invisible characters are taken out by
``rig.text``; here go those whose width terminals disagree about, so that no title can push a column out of its place.
"""

import re

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from rig.text import clean, one_line

LONGEST = 2_000
"""Characters of one line, about twenty screens wide, after which the rest is left out."""
TAB = "    "

_MARK = "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_PILE = re.compile(f"([{_MARK}])[{_MARK}]+")
_UNSURE = re.compile("[\ufe00-\ufe0f\U0001f3fb-\U0001f3ff]")
"""Variation selectors and skin tones: they join the character before on some terminals and take cells on others."""
_FLAG = re.compile("[\U0001f1e6-\U0001f1ff]")


def plain(text: object, limit: int = LONGEST) -> str:
    """Any value as one harmless line; None is the empty line."""
    return "" if text is None else _sure(one_line(str(text), limit))


def lines(text: str) -> list[str]:
    """A text of several lines as harmless lines with their indentation, tabs as spaces."""
    return [_sure(line.replace("\t", TAB))[:LONGEST] for line in clean(text).split("\n")]


def content(text: object) -> Content:
    """A value for widgets that take content; it is never markup."""
    return Content(plain(text))


def width(text: str) -> int:
    """Cells that a line from here takes."""
    return len(text) if text.isascii() else cell_len(text)


def fit(text: str, cells: int, *, right: bool = False, keep_end: bool = False) -> str:
    """A line from here in exactly so many cells: cut with an ellipsis, or filled up.

    ``right`` fills on the left; ``keep_end`` cuts the beginning, at its last slash where that is enough, for names that differ
    at their end.
    """
    size = width(text)
    if keep_end and size > cells and "/" in text:
        text = text.rpartition("/")[2]
        size = width(text)
    if size > cells:
        if cells <= 0:
            return ""
        text = "…" + _end(text, cells - 1) if keep_end else set_cell_size(text, cells - 1).rstrip(" ") + "…"
        size = width(text)
    space = " " * (cells - size)
    return space + text if right else text + space


def wrapped(text: str, cells: int) -> list[str]:
    """A line from here as lines of at most so many cells, broken at spaces where there are some."""
    out: list[str] = []
    while width(text) > cells > 1:
        head = set_cell_size(text, cells).rstrip(" ")
        if width(head) > cells or len(head) > len(text) or not text.startswith(head) or not head:
            head = text[: max(cells // 2, 1)]
        space = head.rfind(" ")
        if space > cells // 2 and text[len(head) : len(head) + 1] != " ":
            head = head[:space]
        out.append(head)
        text = text[len(head) :].removeprefix(" ")
    return [*out, text]


def _end(text: str, cells: int) -> str:
    at = len(text)
    while at and width(text[at - 1 :]) <= cells:
        at -= 1
    return text[at:]


def _sure(text: str) -> str:
    """``text`` without characters about whose width terminals disagree."""
    if text.isascii():
        return text
    text = _FLAG.sub(lambda m: chr(ord(m[0]) - 0x1F1E6 + ord("A")), _UNSURE.sub("", text))
    return _PILE.sub(r"\1", text)
