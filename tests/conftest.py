"""What every test may ask for."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rules import pytest_addoption, pytest_configure
from tests.servers.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url", "pytest_addoption", "pytest_configure"]

Require = Callable[[str], str]


def _missing(what: str) -> None:
    """A skip on a developer's machine, a failure where CI=true: there everything is supposed to be installed."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and with CI=true that is a failure")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session")
def require() -> Require:
    """``require("strace")`` is the program's path; the test is skipped where there is none, or fails with CI=true."""

    def find(binary: str) -> str:
        path = shutil.which(binary)
        if path is None:
            _missing(f"the program {binary}")
        assert path is not None
        return path

    return find


@pytest.fixture(scope="session")
def missing() -> Callable[[str], None]:
    """``missing("PostgreSQL")`` skips the test, or fails it with CI=true."""
    return _missing


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder with the npm packages that tests use (RIG_TEST_NODE_MODULES, see .ci/run); skipped or failed without."""
    folder = Path(os.environ.get("RIG_TEST_NODE_MODULES") or "/nonexistent")
    if not folder.is_dir():
        _missing(
            "RIG_TEST_NODE_MODULES, a folder with @anthropic-ai/claude-code, @openai/codex and @octokit/webhooks-examples,"
        )
    return folder


@pytest.fixture(scope="session")
def repository() -> Path:
    """The top of the checkout."""
    return Path(__file__).parent.parent
