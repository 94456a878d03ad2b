"""What is wrong with the plugins that are installed beside the one under test is not laid at its door."""

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from rig.testing import neighbours
from rig.testing.neighbours import clashes

COMMAND = """
import rig, click

@rig.hookimpl
def rig_register_commands():
    return [click.Command({!r}, callback=lambda: None)]
"""


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Plugins that are installed as far as anybody can tell: one is broken, one has a command of Rig's, one is well."""
    monkeypatch.syspath_prepend(tmp_path)
    codes = {"broken": "raise OSError", "hides": COMMAND.format("queue"), "well": COMMAND.format("greet")}
    found = []
    for name, code in codes.items():
        (tmp_path / f"neighbour_{name}.py").write_text(code)
        found.append(EntryPoint(name, f"neighbour_{name}", "rig"))
    monkeypatch.setattr(neighbours, "entry_points", lambda group: found)
    yield
    for module in ("subject", *(entry.value for entry in found)):
        sys.modules.pop(module, None)


@pytest.mark.parametrize(
    ("name", "command", "wrong"),
    [
        ("zebra", "fresh", []),
        ("zebra", "greet", ["zebra: rig_register_commands: 'greet' is registered already by the plugin well (neighbour_well)"]),
        ("aardvark", "greet", ["well: rig_register_commands: 'greet' is registered already by the plugin aardvark (subject)"]),
        ("well", "fresh", ["well: 2 plugins are called well: neighbour_well and subject. None of them is loaded"]),
    ],
)
def test_only_what_comes_of_it_is_said(tmp_path: Path, name: str, command: str, wrong: list[str]) -> None:
    (tmp_path / "subject.py").write_text(COMMAND.format(command))
    said = clashes(EntryPoint(name, "subject", "rig"), {}, ["queue"])
    assert [line.partition(": rename")[0].partition(": uninstall")[0] for line in said] == wrong
