"""Plugins that are written on the spot: modules on the path, with entry points that name them."""

import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

MakePlugin = Callable[..., EntryPoint]

_serial = itertools.count()


@pytest.fixture
def make_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakePlugin]:
    """``make_plugin(name, code)`` writes a module and gives the entry point that names it."""
    monkeypatch.syspath_prepend(tmp_path)
    made: list[str] = []

    def make(name: str, code: str = "", target: str | None = None) -> EntryPoint:
        module = f"strange_{next(_serial)}"
        (tmp_path / f"{module}.py").write_text("import rig\n" + textwrap.dedent(code))
        made.append(module)
        return EntryPoint(name, target or module, "rig")

    yield make
    for module in made:
        sys.modules.pop(module, None)
