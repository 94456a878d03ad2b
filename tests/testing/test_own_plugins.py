"""Rig's own plugins are held to the contracts that it gives to authors of others."""

import rig_checks
from rig.testing import HealthCheckerContract, HealthCheckerFaults, PluginContract


class TestChecksPlugin(PluginContract):
    plugin = rig_checks


class TestChecks(HealthCheckerContract):
    plugin = rig_checks


class TestChecksOnBadDays(HealthCheckerFaults):
    plugin = rig_checks
