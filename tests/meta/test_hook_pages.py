"""Every hook has a page that says what the code says: since when, its context, what it returns, a plugin of Rig's that uses it."""

import inspect
import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import rig
from rig.plugin import hookspecs
from rig.plugin.hookspecs import HOOKS
from tests.meta.hookpages import DOCS, HEADING, refreshed

LINK = re.compile(r"\[`?[^\]]+`?\]\(([^)#]+)\)")
LINES = 40
"""An example is to be short; this is the longest, with its imports and blank lines."""


def page(hook: str) -> str:
    return (DOCS / f"{hook}.md").read_text()


def test_every_hook_has_a_page_and_every_page_a_hook() -> None:
    assert sorted(path.stem for path in DOCS.glob("*.md")) == sorted(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_page_begins_with_what_the_hook_is_for_and_since_when(hook: str) -> None:
    says = (inspect.getdoc(getattr(hookspecs, hook)) or "").partition(" ``rig_")[0].replace("``", "`")
    info = HOOKS[hook]
    wanted = f"# `{hook}`\n\n{says} Since {info.since}.\n"
    if info.deprecated:
        wanted += f"\nDeprecated: {info.deprecated}\n"
    assert page(hook).startswith(wanted)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_page_shows_every_field_that_the_code_has(hook: str) -> None:
    shown = HEADING.findall(page(hook))
    hints = getattr(hookspecs, hook).__annotations__
    assert hints["context"].__name__ in shown
    returned = {name for name in re.findall(r"\w+", str(hints["return"])) if name in rig.__all__}
    assert returned <= set(shown)
    assert refreshed(page(hook)) == page(hook), "python -m tests.meta.hookpages writes the tables anew"
    assert "|  |" not in page(hook), "a field says nothing of itself"


@pytest.mark.parametrize("hook", HOOKS)
def test_a_page_has_its_parts_in_order_and_links_to_files_that_use_the_hook(hook: str, repository: Path) -> None:
    parts = re.findall(r"^## (.+)$", page(hook), re.MULTILINE)
    assert parts == ["When it is called", "What it gets and what it returns", "When it fails", "Example", "In Rig"]
    links = [(DOCS / target).resolve() for target in LINK.findall(page(hook).rpartition("## In Rig")[2])]
    assert links
    assert [link for link in links if not link.is_file()] == []
    installed = {point.module for point in entry_points(group="rig")}
    for link in links:
        package = link.relative_to(repository / "plugins").parts[0]
        assert package in installed
        assert f"def {hook}(" in (repository / "plugins" / package / "__init__.py").read_text()


@pytest.mark.parametrize("hook", HOOKS)
def test_an_example_is_short(hook: str) -> None:
    block = page(hook).partition("```python\n")[2].partition("```")[0]
    assert 5 <= len(block.splitlines()) <= LINES
