"""Where the real programs and payloads that plugins are tried against are found."""

import os
import shutil
from pathlib import Path

import pytest


def _program(request: pytest.FixtureRequest, name: str, package: str) -> str:
    """Its path; the test is skipped where there is none, or fails with CI=true."""
    found = os.environ.get(f"RIG_TEST_{name.upper()}") or shutil.which(name)
    if not found:
        modules: Path = request.getfixturevalue("node_modules")
        found = shutil.which(str(modules / ".bin" / name))
    if not found:
        request.getfixturevalue("missing")(f"{name} (npm install {package})")
        raise AssertionError("missing() does not return")
    return found


@pytest.fixture
def claude(request: pytest.FixtureRequest) -> str:
    """The claude command line: RIG_TEST_CLAUDE, or the one on PATH, or that of RIG_TEST_NODE_MODULES."""
    return _program(request, "claude", "@anthropic-ai/claude-code")


@pytest.fixture
def codex(request: pytest.FixtureRequest) -> str:
    """The codex command line, found like claude's."""
    return _program(request, "codex", "@openai/codex")
