"""Tables for a terminal: columns as wide as needed, cut to the terminal's width where they may be. Pure but for ``width``."""

import shutil
import textwrap
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from rig.cli.words import word

GAP = "  "
NARROWEST = 6
"""No column is cut below this."""


@dataclass(frozen=True)
class Column:
    """A column: its heading, and the field it shows or a function of the row."""

    title: str
    value: str | Callable[[Mapping[str, Any]], str]
    right: bool = False
    gives: int = 0
    """Columns that give more are cut first; 0 is cut only when nothing else is left to cut."""
    lead: str = ""
    """Field that stands before the text with its spaces kept: lines of a tree, drawn here and never from outside."""
    wraps: bool = False
    """Goes on in the next line where it has no room, instead of being cut."""
    tail: bool = False
    """Its end stays where it is cut: an issue's number says more than its owner."""

    def cell(self, row: Mapping[str, Any]) -> str:
        """The cell's text, harmless and on one line."""
        text = word(row.get(self.value) if isinstance(self.value, str) else self.value(row))
        return f"{row.get(self.lead, '')}{text}" if self.lead else text


def width() -> int:
    """Columns of the terminal, COLUMNS where set, 80 where there is no terminal."""
    return max(shutil.get_terminal_size((80, 24)).columns, 20)


def cells(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> list[list[str]]:
    """The texts of a table without its headings."""
    return [[column.cell(row) for column in columns] for row in rows]


def lines(texts: Sequence[Sequence[str]], columns: Sequence[Column], room: int) -> list[str]:
    """The table as lines of at most ``room`` columns, the headings first."""
    table = [[c.title for c in columns], *texts]
    widths = _fit(
        [max(map(wide, column)) for column in zip(*table, strict=True)], columns, room - len(GAP) * (len(columns) - 1)
    )
    return [line[:room] for row in table for line in _lines(row, widths, columns)]


def pairs(facts: Mapping[str, object], room: int) -> list[str]:
    """Names and values below each other; a long value is cut."""
    indent = max((len(name) for name in facts), default=0)
    return [
        f"{name:<{indent}}{GAP}{cut(word(value), max(room - indent - len(GAP), NARROWEST))}" for name, value in facts.items()
    ]


def wide(text: str) -> int:
    """How many columns a terminal takes for a text."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def wrapped(text: str, room: int) -> list[str]:
    """``text`` in lines of at most ``room`` columns, with nothing left out."""
    return textwrap.wrap(text, room if wide(text) == len(text) else max(room // 2, 1)) or [""]


def cut(text: str, room: int) -> str:
    """``text`` in at most ``room`` columns, with an ellipsis where something was left out."""
    if wide(text) <= room:
        return text
    kept, used = "", 0
    for character in text:
        used += wide(character)
        if used > room - 1:
            break
        kept += character
    return kept + "…"


def cut_front(text: str, room: int) -> str:
    """The end of ``text`` in at most ``room`` columns, after an ellipsis where something was left out."""
    return text if wide(text) <= room else cut(text[::-1], room)[::-1]


def _fit(widths: list[int], columns: Sequence[Column], room: int) -> list[int]:
    for level in sorted({c.gives for c in columns}, reverse=True):
        while (over := sum(widths) - room) > 0:
            able = [i for i, c in enumerate(columns) if c.gives == level and widths[i] > NARROWEST]
            if not able:
                break
            widest = max(able, key=lambda i: widths[i])
            second = max((widths[i] for i in able if i != widest), default=NARROWEST)
            widths[widest] -= min(over, max(widths[widest] - max(second, NARROWEST), 1))
    return widths


def _lines(row: Sequence[str], widths: Sequence[int], columns: Sequence[Column]) -> list[str]:
    parts = [wrapped(text, size) if c.wraps else [text] for text, size, c in zip(row, widths, columns, strict=True)]
    return [_line(line, widths, columns) for line in zip_longest(*parts, fillvalue="")]


def _line(row: Sequence[str], widths: Sequence[int], columns: Sequence[Column]) -> str:
    parts = []
    for text, size, column in zip(row, widths, columns, strict=True):
        shown = (cut_front if column.tail else cut)(text, size)
        padding = " " * (size - wide(shown))
        parts.append(padding + shown if column.right else shown + padding)
    return GAP.join(parts).rstrip()
