"""For authors of plugins: what to hold a plugin to, and what to try it with. Works without pytest; with it, classes are tests::

import rig_acme
from rig.testing import HealthCheckerContract, HealthCheckerFaults

class TestContract(HealthCheckerContract):
    plugin = rig_acme

class TestFaults(HealthCheckerFaults):
    plugin = rig_acme
"""

from rig.clock import ManualClock
from rig.ids import SeededIds
from rig.testing.health import HealthCheckerContract, HealthCheckerFaults, health_context
from rig.testing.plugin import PluginContract
from rig.testing.receiver import Reaction, Received, Receiver
from rig.testing.suite import Suite, ThingSuite, check, must

__all__ = [
    "HealthCheckerContract",
    "HealthCheckerFaults",
    "ManualClock",
    "PluginContract",
    "Reaction",
    "Received",
    "Receiver",
    "SeededIds",
    "Suite",
    "ThingSuite",
    "check",
    "health_context",
    "must",
]
