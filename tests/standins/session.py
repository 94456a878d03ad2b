"""The sessions of ``rig.testing``, by the names that the tests of Rig's own providers use."""

from rig.testing import AskingSession, SteeredSession
from rig.testing import FakeSession as LocalSession

__all__ = ["AskingSession", "LocalSession", "SteeredSession"]
