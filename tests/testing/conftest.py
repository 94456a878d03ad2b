"""Plugins that are written on the spot, and what a check says of them."""

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rig.testing.results import Result, result
from rig.testing.suite import Suite

Judge = Callable[..., Result]


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """``judge(suite, check, code)``: what a check says of the plugin that the code is; more arguments are the suite's members."""

    def judge(suite: type[Suite], check: str, code: str, **members: Any) -> Result:
        file = tmp_path / "odd.py"
        file.write_text("import asyncio, threading, time\nimport rig\n" + textwrap.dedent(code))
        return result("odd", type("Odd", (suite,), {"plugin": file, **members}), "test_" + check.replace(" ", "_"))

    return judge
