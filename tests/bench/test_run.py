"""The benchmarks run; their figures are nobody's verdict here."""

import json
from pathlib import Path

import pytest

from rig.bench import NAMES, SMALLEST, main


@pytest.mark.bench
def test_a_quick_run_measures_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--json", "--directory", str(tmp_path)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [section["name"] for section in shown["sections"]] == list(NAMES)
    assert all(line["values"] for section in shown["sections"] for line in section["lines"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.bench
def test_a_big_store_is_made_measured_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "kept"
    options = ["--quick", "--json", "--directory", str(tmp_path), "--store-size", str(SMALLEST), "--keep", str(kept)]
    assert main(options) == 0
    (section,) = json.loads(capsys.readouterr().out)["sections"]
    assert section["name"] == "size"
    assert {"next, p99", "claim, p99", "trace, p99", "rig rebuild"} <= {line["name"] for line in section["lines"]}
    assert sorted(path.name for path in kept.iterdir()) == ["store-1000", "store-2000", f"store-{SMALLEST}"]
    assert list(tmp_path.iterdir()) == [kept]
