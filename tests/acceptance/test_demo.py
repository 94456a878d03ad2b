"""``rig demo`` for real: a repository, signed deliveries, a daemon, agents in worktrees, and nothing left behind."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

COMMAND = (sys.executable, "-m", "rig.cli", "demo")
ROW = re.compile(r"^#(\d) +(.+?) +(\w+) +(rig/\S+) +([0-9a-f]{7}) +([\d,]+) +\$(\d+\.\d+)$", re.MULTILINE)


def demo(tmp_path: Path, *arguments: str, **environ: str) -> "subprocess.Popen[str]":
    given = {k: v for k, v in os.environ.items() if k != "COLUMNS"} | {"TMPDIR": str(tmp_path)} | environ
    pipe: Any = subprocess.PIPE
    return subprocess.Popen([*COMMAND, *arguments], stdout=pipe, stderr=pipe, text=True, env=given, cwd=tmp_path)


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True).stdout


def daemons(tmp_path: Path) -> list[int]:
    """Processes that work in the test's folder."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        if any(str(tmp_path) in part for part in process.info["cmdline"] or ()):
            found.append(process.info["pid"])
    return found


def test_every_issue_is_done_and_nothing_is_left(tmp_path: Path) -> None:
    began = time.monotonic()
    process = demo(tmp_path, "--headless")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert time.monotonic() - began < 15
    assert err == ""
    assert max(map(len, out.splitlines())) <= 80
    rows = ROW.findall(out)
    assert [(row[0], row[2]) for row in rows] == [(str(n), "done") for n in (1, 2, 3, 4)]
    assert all(int(row[5].replace(",", "")) > 0 and float(row[6]) > 0 for row in rows)
    assert len({row[3] for row in rows}) == 4
    assert "4 of 4 issues done" in out
    assert list(tmp_path.iterdir()) == []
    assert daemons(tmp_path) == []


def test_what_is_kept_can_be_looked_at(tmp_path: Path) -> None:
    process = demo(
        tmp_path, "--keep", RIG_URL="http://127.0.0.1:1", RIG_TOKEN="of-another-daemon", PORT="1", WORKSPACE_DIR="/nowhere"
    )
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    (stage,) = tmp_path.iterdir()
    assert f"cd {stage}" in out
    for number, title, _, branch, commit, _, _ in ROW.findall(out):
        assert git(stage / "todo", "log", "-1", "--format=%h %s", "--abbrev=7", branch).startswith(commit), (number, title)
        assert git(stage / "todo", "diff", "--name-only", "main", branch) != ""
    assert "The smallest" in git(stage / "todo", "show", f"{ROW.findall(out)[0][3]}:README.md")
    doctor = [sys.executable, "-m", "rig.cli", "doctor", "--data-dir", str(stage / "data")]
    checked = subprocess.run(doctor, capture_output=True, text=True, cwd=stage, check=False)
    assert checked.returncode == 0, checked.stdout
    assert daemons(tmp_path) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_ending_it_early_leaves_nothing_behind(tmp_path: Path, number: signal.Signals, code: int) -> None:
    process = demo(tmp_path)
    assert process.stdout is not None
    while "starts" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
    assert daemons(tmp_path) == []


def test_without_git_it_says_so(tmp_path: Path) -> None:
    process = demo(tmp_path, PATH="/nonexistent")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert err == "rig: the demo needs git, and there is none on PATH\n"
    assert list(tmp_path.iterdir()) == []
