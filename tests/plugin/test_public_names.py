"""``import rig``: everything for plugin authors, at no cost until it is used."""

import ast
import inspect
import subprocess
import sys
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import rig
from rig.plugin import hookspecs, marker
from rig.plugin.hookspecs import HOOKS
from tests.plugin import pages


def test_every_public_name_is_there() -> None:
    for name in rig.__all__:
        assert getattr(rig, name) is not None
    assert set(rig.__all__) <= set(dir(rig))
    assert set(rig._HOME_OF) | {"__version__"} == set(rig.__all__)


def test_importing_rig_imports_nothing_else() -> None:
    code = (
        "import sys; before = set(sys.modules); import rig; print(sorted(m for m in set(sys.modules) - before if m != 'rig'))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert found == "[]"


def test_importing_a_plugin_imports_none_of_its_code() -> None:
    names = (
        "rig_checks",
        "rig_claude",
        "rig_codex",
        "rig_command",
        "rig_github",
        "rig_gitlab",
        "rig_linear",
        "rig_mock",
        "rig_webhooks",
    )
    code = f"import sys; import {', '.join(names)}; print(*sorted(m for m in sys.modules if m.startswith('rig_')))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == list(names)


HELPERS = {"rig", "rig.payload", "rig.signatures", "rig.outgoing", "rig.probes", "rig.testing"}
"""Modules that plugins may import."""


def imports(code: str) -> Iterator[tuple[str, str]]:
    """(module, name) of everything that is imported from ``rig``."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.partition(".")[0] == "rig")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "rig":
            yield from ((node.module or "", alias.name) for alias in node.names)


def test_plugins_of_rig_and_the_examples_import_public_names_alone(repository: Path) -> None:
    codes = {str(path): path.read_text() for path in (repository / "plugins").rglob("*.py")}
    codes |= {hook: pages.example(hook)[1] for hook in pages.hooks()}
    found = {(place, *imported) for place, code in codes.items() for imported in imports(code)}
    assert len(found) > 50
    assert {module for _, module, _ in found} <= HELPERS
    assert {name for _, module, name in found if module == "rig" and name} <= set(rig.__all__)


def reachable(hint: Any) -> Iterator[Any]:
    """The classes of Rig's that an annotation names, and those that their fields and methods name."""
    for part in typing.get_args(hint):
        yield from reachable(part)
    if isinstance(hint, type) and hint.__module__.startswith("rig.") and not issubclass(hint, BaseModel):
        yield hint
        own = [hint, *(f for n, f in vars(hint).items() if inspect.isfunction(f) and not n.startswith("_"))]
        own += [found.fget for found in vars(hint).values() if isinstance(found, property)]
        for thing in own:
            for inner in typing.get_type_hints(thing).values():
                if inner is not hint:
                    yield from reachable(inner)


def test_everything_that_a_hook_is_given_or_returns_has_a_public_name() -> None:
    import click

    found = set()
    for hook in HOOKS:
        for hint in typing.get_type_hints(getattr(hookspecs, hook), localns={"click": click}).values():
            found |= set(reachable(hint))
    public = {getattr(rig, name) for name in rig.__all__ if isinstance(getattr(rig, name), type)}
    assert len(found) > 25
    assert {cls.__name__ for cls in found - public} == set()


def test_the_marker_takes_the_signature_of_every_hook_and_no_other() -> None:
    import click

    taken = {}
    for member in typing.get_args(marker.AnyHook):
        if typing.get_origin(member) in (marker.Implementation, marker.Moment):
            context, answer = typing.get_args(member)
            taken[context] = str(answer).replace("ForwardRef('Sequence[click.Command]')", str(Sequence[click.Command]))
    wanted: dict[Any, str] = {}
    for hook in HOOKS:
        hints = typing.get_type_hints(getattr(hookspecs, hook), localns={"click": click})
        if hints["return"] is not type(None) or hints["context"] not in wanted:  # an after hook shares its context
            wanted[hints["context"]] = str(hints["return"])
    assert taken == wanted
