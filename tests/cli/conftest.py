"""A ``rig`` command in a place of its own: its own folder, data directory and environment."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rig.cli.root import rig as command

Rig = Callable[..., Result]


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("RIG_") or name in ("NO_COLOR", "COLUMNS", "PORT", "SUBMIT_API_KEYS", "WORKSPACE_DIR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("RIG_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def rig() -> Rig:
    """``rig("key", "list")`` runs the command in this process; errors are raised by ``result.exception``."""

    def run(*arguments: str, **options: str) -> Result:
        return CliRunner().invoke(command, arguments, standalone_mode=False, **options)  # type: ignore[arg-type]

    return run
