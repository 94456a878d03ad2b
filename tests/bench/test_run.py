"""The benchmarks run; their figures are nobody's verdict here."""

import json
from pathlib import Path

import pytest

from rig.bench import NAMES, main


@pytest.mark.bench
def test_a_quick_run_measures_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--json", "--directory", str(tmp_path)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [section["name"] for section in shown["sections"]] == list(NAMES)
    assert all(line["values"] for section in shown["sections"] for line in section["lines"])
    assert list(tmp_path.iterdir()) == []
