"""The examples of the hooks' pages keep the contract that the pages ask for."""

from pathlib import Path

import pytest

from rig.testing.plugin import PluginContract
from rig.testing.results import results
from rig.testing.suite import Suite
from rig.testing.suites import KINDS

PAGES = sorted((Path(__file__).parents[2] / "docs" / "plugins").glob("rig_*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_an_example_keeps_the_contract(page: Path, tmp_path: Path) -> None:
    block = page.read_text().partition("```python\n")[2].partition("```")[0]
    assert block.startswith("# ")
    file = tmp_path / block[2:].partition(":")[0].split()[0]
    file.write_text(block)
    suites: list[type[Suite]] = [
        PluginContract,
        *(s for kind in KINDS if page.stem in kind.hooks for s in (kind.contract, kind.faults)),
    ]
    assert len(suites) == 3
    found = [r for suite in suites for r in results(page.stem, type(suite.__name__, (suite,), {"plugin": file}))]
    assert [(r.check, r.reason) for r in found if r.verdict == "failed"] == []
    assert sum(r.verdict == "ok" for r in found) >= 4
