"""The examples of the pages for agents run as they stand, and answer what the page says."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import running

BLOCK = re.compile(r"```(sh|json)\n(.*?)```", re.DOTALL)


def same(said: Any, found: Any) -> bool:
    """Whether an answer is what the page says; ``…`` stands for any text or number."""
    if said == "…":
        return isinstance(found, str | int) and found not in ("", False)
    if isinstance(said, list):
        return isinstance(found, list) and len(said) == len(found) and all(map(same, said, found))
    if isinstance(said, dict):
        return isinstance(found, dict) and said.keys() == found.keys() and all(same(said[k], found[k]) for k in said)
    return bool(said == found)


@pytest.mark.parametrize(("page", "answers"), [("agents.md", 10), ("attention.md", 4)])
def test_the_examples_run_and_answer_what_the_page_says(
    tmp_path: Path, repository: Path, require: Callable[[str], str], page: str, answers: int
) -> None:
    require("curl")
    blocks = BLOCK.findall((repository / "docs" / page).read_text())
    script = "set -e\n" + "".join(f"{text}\nprintf '\\n\\036'\n" for kind, text in blocks if kind == "sh")
    with running(tmp_path / "rig") as daemon:
        done = subprocess.run(
            ["bash", "-c", script],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"RIG_URL": daemon.url},
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    outputs = iter(done.stdout.split("\036"))
    checked, output = 0, ""
    for kind, text in blocks:
        if kind == "sh":
            output = next(outputs)
            continue
        found = json.loads(output)
        assert same(json.loads(text), found), (text, output)
        checked += 1
    assert checked >= answers
