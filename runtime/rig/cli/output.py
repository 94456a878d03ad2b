"""What a command prints: a table for people, JSON, NDJSON or ids for scripts."""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from rig.cli import tables
from rig.cli.tables import Column
from rig.cli.words import safe_json, word

F = TypeVar("F", bound=Callable[..., Any])
Row = Mapping[str, Any]
FORMATS = ("table", "json", "ndjson", "id")


def colored() -> bool | None:
    """False where colours are not wanted (NO_COLOR, TERM=dumb), None to let the terminal decide."""
    return False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None


def say(text: str = "") -> None:
    """Print a line."""
    click.echo(text, color=colored())


def heading(text: str) -> str:
    """A table's first line."""
    return click.style(text, bold=True)


@dataclass(frozen=True)
class Output:
    """How the answer is wanted."""

    format: str = "table"
    filter: str = ""
    """Only rows of which a shown column contains it, in any letter case; empty for all."""

    def reach(self, limit: int) -> int:
        """How many rows to read for ``limit`` shown ones: all (0) where a filter takes some out."""
        return 0 if self.filter else limit

    def rows(self, rows: Sequence[Row], columns: Sequence[Column], identify: Callable[[Row], object], limit: int = 0) -> None:
        """A list: the rows themselves for scripts, the columns for people; at most ``limit``, 0 for all."""
        texts = tables.cells(rows, columns) if self.filter or self.format == "table" else []
        if self.filter:
            wanted = self.filter.casefold()
            kept = [i for i, row in enumerate(texts) if any(wanted in text.casefold() for text in row)]
            rows, texts = [rows[i] for i in kept], [texts[i] for i in kept]
        if limit:
            rows, texts = rows[:limit], texts[:limit]
        match self.format:
            case "json":
                say(safe_json(list(rows), 2))
            case "ndjson":
                for row in rows:
                    say(safe_json(row))
            case "id":
                for row in rows:
                    say(word(identify(row)))
            case _:
                head, *body = tables.lines(texts, columns, tables.width())
                say(heading(head))
                for line in body:
                    say(line)

    def notes(self, notes: Mapping[str, object]) -> None:
        """Below a table, for people: texts in full that no column has room for, by what they are about."""
        kept = {
            about: text
            for about, text in notes.items()
            if self.format == "table" and self.filter.casefold() in f"{about} {text}".casefold()
        }
        for about, text in kept.items():
            say()
            for line in tables.wrapped(f"{word(about)}: {word(text)}", tables.width()):
                say(line)

    def one(self, row: Row, facts: Mapping[str, object], identity: object) -> None:
        """A single thing: itself for scripts, ``facts`` of it for people."""
        match self.format:
            case "json":
                say(safe_json(row, 2))
            case "ndjson":
                say(safe_json(row))
            case "id":
                say(word(identity))
            case _:
                for line in tables.pairs(facts, tables.width()):
                    say(line)


def output(function: F) -> F:
    """``-o``, handed to the command as ``output``."""
    return _with(function, filtered=False)


def listing(function: F) -> F:
    """``-o`` and ``--filter``, handed to the command as ``output``."""
    return _with(function, filtered=True)


def _with(function: F, *, filtered: bool) -> F:
    @functools.wraps(function)
    def command(*arguments: Any, format_: str, filter_: str = "", **options: Any) -> Any:
        return function(*arguments, output=Output(format_, filter_), **options)

    command = click.option(
        "-o", "--output", "format_", type=click.Choice(FORMATS), default="table", show_default=True, help="How to print it."
    )(command)
    if filtered:
        command = click.option("--filter", "filter_", default="", metavar="TEXT", help="Only rows that show this text.")(
            command
        )
    return command  # type: ignore[return-value]  # the wrapper takes what click gives it


def limited(function: F) -> F:
    """``--limit``: how many rows to read."""
    return click.option(
        "--limit", type=click.IntRange(0), default=100, show_default=True, metavar="N", help="Most rows; 0: all."
    )(function)
