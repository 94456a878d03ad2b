"""Every kind of plugin with its suites, for ``rig plugin test``. A new kind is a row here and a module beside this one."""

from dataclasses import dataclass

from rig.testing.command import CommandContract, CommandFaults
from rig.testing.health import HealthCheckerContract, HealthCheckerFaults
from rig.testing.notifier import NotifierContract, NotifierFaults
from rig.testing.operation import OperationContract, OperationFaults
from rig.testing.policy import MOMENTS, PolicyContract, PolicyFaults
from rig.testing.price import PriceSourceContract, PriceSourceFaults
from rig.testing.provider import ProviderContract, ProviderFaults
from rig.testing.step import StepKindContract, StepKindFaults
from rig.testing.suite import Suite
from rig.testing.tracker import TrackerContract, TrackerFaults
from rig.testing.webhook import WebhookSourceContract, WebhookSourceFaults


@dataclass(frozen=True)
class Kind:
    """A kind of plugin."""

    name: str
    """As ``rig plugin new --kind`` calls it."""
    hooks: frozenset[str]
    """A plugin that implements one of them is of this kind."""
    contract: type[Suite]
    faults: type[Suite]


def _of(name: str, hook: str, contract: type[Suite], faults: type[Suite]) -> Kind:
    return Kind(name, frozenset({f"rig_register_{hook}"}), contract, faults)


KINDS: tuple[Kind, ...] = (
    _of("command", "commands", CommandContract, CommandFaults),
    _of("health", "health_checkers", HealthCheckerContract, HealthCheckerFaults),
    _of("notifier", "notifiers", NotifierContract, NotifierFaults),
    _of("operation", "operations", OperationContract, OperationFaults),
    Kind("policy", frozenset(MOMENTS), PolicyContract, PolicyFaults),
    _of("price", "price_sources", PriceSourceContract, PriceSourceFaults),
    _of("provider", "providers", ProviderContract, ProviderFaults),
    _of("step", "step_kinds", StepKindContract, StepKindFaults),
    _of("tracker", "trackers", TrackerContract, TrackerFaults),
    _of("webhook", "webhook_sources", WebhookSourceContract, WebhookSourceFaults),
)
