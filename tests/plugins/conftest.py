"""Where the real programs and payloads that plugins are tried against are found."""

import os
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def claude(request: pytest.FixtureRequest) -> str:
    """The claude command line: RIG_TEST_CLAUDE, or the one on PATH, or that of RIG_TEST_NODE_MODULES."""
    found = os.environ.get("RIG_TEST_CLAUDE") or shutil.which("claude")
    if not found:
        modules: Path = request.getfixturevalue("node_modules")
        found = shutil.which(str(modules / ".bin" / "claude"))
    if not found:
        pytest.skip("claude is not installed: npm install @anthropic-ai/claude-code")
    return found
