"""Fixtures that every test run has once Rig is installed, for authors of plugins and for Rig's own tests."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rig.clock import ManualClock
from rig.ids import SeededIds

if TYPE_CHECKING:
    from rig.testing import FakeSession, Receiver


@pytest.fixture
def rig_clock() -> ManualClock:
    """A clock that stands still until ``advance`` is called."""
    return ManualClock()


@pytest.fixture
def rig_ids() -> SeededIds:
    """Ids that are the same in every run."""
    return SeededIds()


@pytest.fixture
def rig_receiver() -> "Iterator[Receiver]":
    """A real HTTP server on loopback that keeps what it gets and answers as its ``reaction`` says."""
    from rig.testing.receiver import Receiver

    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def rig_session(tmp_path: Path) -> "FakeSession":
    """A session in a folder of the test; set its ``config``, and ``await`` its ``end`` where the provider starts programs."""
    from rig.testing.session import FakeSession

    return FakeSession(tmp_path)
