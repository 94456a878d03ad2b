"""A dashboard without a daemon."""

import pytest

from tests.rigtui.fakes import Alone


@pytest.fixture
def alone() -> Alone:
    return Alone()
