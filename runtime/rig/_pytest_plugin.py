"""Fixtures that every test run has once Rig is installed, for authors of plugins and for Rig's own tests."""

import pytest

from rig.clock import ManualClock
from rig.ids import SeededIds


@pytest.fixture
def rig_clock() -> ManualClock:
    """A clock that stands still until ``advance`` is called."""
    return ManualClock()


@pytest.fixture
def rig_ids() -> SeededIds:
    """Ids that are the same in every run."""
    return SeededIds()
