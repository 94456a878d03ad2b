"""What the page of plugins says of ``rig.testing`` is so, and every kind has all that a kind has."""

import re
from pathlib import Path

import rig.testing
from rig.cli.scaffold.project import kinds
from rig.plugin.hookspecs import HOOKS
from rig.testing.suites import KINDS

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text()


def test_every_hook_belongs_to_a_kind_and_every_kind_has_templates() -> None:
    assert {hook for kind in KINDS for hook in kind.hooks} == set(HOOKS)
    assert [kind.name for kind in KINDS] == kinds()


def test_the_page_names_every_kind_with_its_suites() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (`\w+Contract`, `\w+Faults`) \|", PAGE, re.MULTILINE))
    assert rows == {kind.name: f"`{kind.contract.__name__}`, `{kind.faults.__name__}`" for kind in KINDS}
    said = re.search(r"The kinds are (.*?)\.\n", PAGE, re.DOTALL)
    assert said is not None
    assert re.findall(r"`(\w+)`", said[1]) == kinds()


def test_every_public_name_is_there_and_on_the_page() -> None:
    for name in rig.testing.__all__:
        assert getattr(rig.testing, name) is not None
    later = {"must", "Suite", "ThingSuite", "Reaction", "Received", "FakeChild", "ManualClock", "SeededIds"}
    assert [name for name in rig.testing.__all__ if f"`{name}`" not in PAGE and name not in later] == []
