"""The rules of the house hold: floors, clocks, and what the dashboard's command says without a terminal."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120, check=False)


def tool(name: str) -> str:
    """A program of the environment that the tests run in."""
    path = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    assert path, f"{name} comes with the dev extra"
    return path


def test_no_floor_imports_a_higher_one(repository: Path) -> None:
    done = run(tool("lint-imports"), "--no-cache", cwd=repository)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "text",
    [
        "import time\n\ntime.time()\n",
        "import time\n\ntime.sleep(1)\n",
        "from time import time_ns\n\ntime_ns()\n",
        "from datetime import datetime\n\ndatetime.now()\n",
        "import datetime\n\ndatetime.datetime.utcnow()\n",
        "import runtime.rig\n",
    ],
)
def test_a_clock_of_its_own_or_a_source_root_is_refused(repository: Path, text: str) -> None:
    command = (tool("ruff"), "check", "--quiet", "--output-format", "concise", "--stdin-filename", "runtime/rig/any.py", "-")
    done = subprocess.run(command, input=text, capture_output=True, text=True, cwd=repository, timeout=60, check=False)
    assert "TID251" in done.stdout


def test_no_code_but_the_clocks_is_let_off(repository: Path) -> None:
    command = ("check", "--quiet", "--select", "TID251", "--ignore-noqa", "runtime", "plugins", "rigtui")
    done = run(tool("ruff"), *command, cwd=repository)
    assert done.returncode == 0, done.stdout


def test_the_dashboards_command_says_in_one_line_that_it_needs_a_terminal(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rigtui"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=repository,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "rig issue list" in done.stderr
