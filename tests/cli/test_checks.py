"""What ``rig doctor`` says of the programs of providers."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from rig import config
from rig.cli import checks
from rig.store.doctor import Finding


def findings(tmp_path: Path, table: str, name: str) -> list[Finding]:
    file = tmp_path / "rig.toml"
    file.write_text(table)
    loaded = config.load(config=file, data_dir=tmp_path / "data", arguments={}, environ={"PATH": "/usr/bin:/bin"})
    return [finding for finding in checks.of_programs(loaded, shutil.which) if finding.check == name]


def program(tmp_path: Path, script: str) -> Path:
    made = tmp_path / "codex"
    made.write_text(f"#!/bin/sh\n{script}\n")
    made.chmod(0o755)
    return made


@pytest.mark.parametrize(
    ("script", "more", "levels"),
    [
        ("exit 0", "", ["ok", "ok"]),
        ('[ "$1" != sandbox ]', "", ["ok", "fail"]),
        ('[ "$1" != sandbox ]', 'sandbox = "read-only"', ["ok", "fail"]),
        ('[ "$1" != sandbox ]', 'sandbox = "danger-full-access"', ["ok"]),
    ],
)
def test_a_machine_that_cannot_confine_codex_fails_the_check(tmp_path: Path, script: str, more: str, levels: list[str]) -> None:
    table = f'[providers.codex]\ncommand = "{program(tmp_path, script)}"\n{more}\n'
    found = findings(tmp_path, table, "codex")
    assert [finding.level for finding in found] == levels
    if levels[-1] == "fail":
        assert "providers.codex.sandbox" in found[-1].text


@pytest.mark.parametrize(
    ("table", "level"),
    [
        ("", []),
        ('[providers.codex]\ncommand = "/nonexistent/codex"\n', ["warn"]),
        ('[dispatch]\nenabled = true\nprovider = "codex"\n[providers.codex]\ncommand = "/nonexistent/codex"\n', ["fail"]),
    ],
)
def test_a_program_that_is_missing_is_a_fault_where_dispatch_needs_it(tmp_path: Path, table: str, level: list[Any]) -> None:
    found = findings(tmp_path, table, "codex")
    assert [finding.level for finding in found] == level
    assert all("npm install -g @openai/codex" in finding.text for finding in found)
