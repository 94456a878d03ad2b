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
from rig.testing.command import CommandContract, CommandFaults
from rig.testing.health import HealthCheckerContract, HealthCheckerFaults, health_context
from rig.testing.notifier import NotifierContract, NotifierFaults, notification
from rig.testing.operation import OperationContract, OperationFaults, operation_request
from rig.testing.plugin import PluginContract
from rig.testing.policy import (
    ATTENTION,
    COMPLETION,
    DISPATCH,
    RUN,
    RUN_ENDED,
    TRANSITION,
    PolicyContract,
    PolicyFaults,
)
from rig.testing.price import PriceSourceContract, PriceSourceFaults
from rig.testing.provider import ProviderContract, ProviderFaults
from rig.testing.receiver import Reaction, Received, Receiver
from rig.testing.session import AskingSession, FakeChild, FakeSession, SteeredSession
from rig.testing.signing import delivery, signed_delivery
from rig.testing.step import StepKindContract, StepKindFaults, step_context
from rig.testing.subject import Subject
from rig.testing.suite import Suite, ThingSuite, check, must
from rig.testing.tracker import TrackerContract, TrackerFaults, poll_context
from rig.testing.webhook import WebhookSourceContract, WebhookSourceFaults

__all__ = [
    "ATTENTION",
    "COMPLETION",
    "DISPATCH",
    "RUN",
    "RUN_ENDED",
    "TRANSITION",
    "AskingSession",
    "CommandContract",
    "CommandFaults",
    "FakeChild",
    "FakeSession",
    "HealthCheckerContract",
    "HealthCheckerFaults",
    "ManualClock",
    "NotifierContract",
    "NotifierFaults",
    "OperationContract",
    "OperationFaults",
    "PluginContract",
    "PolicyContract",
    "PolicyFaults",
    "PriceSourceContract",
    "PriceSourceFaults",
    "ProviderContract",
    "ProviderFaults",
    "Reaction",
    "Received",
    "Receiver",
    "SeededIds",
    "SteeredSession",
    "StepKindContract",
    "StepKindFaults",
    "Subject",
    "Suite",
    "ThingSuite",
    "TrackerContract",
    "TrackerFaults",
    "WebhookSourceContract",
    "WebhookSourceFaults",
    "check",
    "delivery",
    "health_context",
    "must",
    "notification",
    "operation_request",
    "poll_context",
    "signed_delivery",
    "step_context",
]
