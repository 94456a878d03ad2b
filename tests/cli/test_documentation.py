"""docs/cli.md is what click's tree and the table of errors say."""

import re
from pathlib import Path

import click

from rig.cli.demo.command import TERMINATED
from rig.cli.ending import CLOSED_PIPE, INTERRUPTED
from rig.cli.root import rig as command
from tests.cli.test_root import tree
from tests.meta.test_documentation import error_classes


def usage(words: tuple[str, ...], found: click.Command) -> str:
    """How a command is called: its arguments, and its own options but those that every such command has."""
    parts = ["rig", *words]
    for parameter in found.params:
        if isinstance(parameter, click.Argument):
            name = (parameter.metavar or (parameter.name or "").upper()).strip("[].").removesuffix("]")
            shown = f"{name}…" if parameter.nargs == -1 else name
            parts.append(shown if parameter.required else f"[{shown}]")
    options = [parameter for parameter in found.params if isinstance(parameter, click.Option)]
    hidden = (*SHOWING, *ASKING) if any("--url" in option.opts for option in options) else SHOWING
    for parameter in options:
        if parameter.opts[-1] not in hidden:
            value = "" if parameter.is_flag else f" {parameter.make_metavar(click.Context(found))}"
            shown = f"{parameter.opts[-1]}{value}"
            parts.append(f"{shown if parameter.required else f'[{shown}]'}{'…' if parameter.multiple else ''}")
    return " ".join(parts)


ASKING = ("--url", "--tenant", "--data-dir")
SHOWING = ("--output", "--filter", "--limit")
"""Options that the page explains once."""


def table() -> list[str]:
    lines = ["| command | what it does |", "|---|---|"]
    for words, found in tree(command).items():
        if not isinstance(found, click.Group):
            help_ = (found.help or "").partition("\n\n")[0].replace("\n", " ")
            lines.append(f"| `{usage(words, found).replace('|', chr(92) + '|')}` | {help_} |")
    return lines


def test_every_command_is_documented_with_its_arguments_and_options(repository: Path) -> None:
    page = (repository / "docs" / "cli.md").read_text()
    assert "\n".join(table()) in page, "write this table into docs/cli.md:\n" + "\n".join(table())


def test_every_exit_code_is_documented(repository: Path) -> None:
    page = (repository / "docs" / "cli.md").read_text()
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    raised = {found.exit_code for found in error_classes()}
    assert documented == raised | {0, 2, INTERRUPTED, CLOSED_PIPE, TERMINATED}
