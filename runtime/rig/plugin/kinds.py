"""The kinds of things that plugins register with the daemon: one table for who loads them, isolated or not, and who tries them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rig.plugin import admission, contexts
from rig.plugin.guard import Guard
from rig.plugin.guarded import (
    GuardedNotifier,
    GuardedOperation,
    GuardedPrices,
    GuardedProvider,
    GuardedSource,
    GuardedStep,
    GuardedTracker,
)
from rig.plugin.health import Watched
from rig.plugin.isolated import PluginProcess
from rig.plugin.parcels import Thing
from rig.plugin.proxies import IsolatedChecker, IsolatedNotifier, IsolatedStep, IsolatedTracker
from rig.plugin.settings import PluginSettings


@dataclass(frozen=True)
class Kind:
    """A kind of thing that plugins register."""

    hook: str
    context: type[Any]
    wrong: admission.Wrong
    """What is wrong with a thing, None when it may be registered."""
    key: Callable[[Any, str], str]
    """(thing, plugin) to the name that it must have alone."""
    guarded: Callable[[Any, str, Guard, PluginSettings], Any]
    """(thing, plugin, guard, settings) to what the rest of Rig calls."""
    proxy: Callable[[PluginProcess, Thing], Any] | None = None
    """Makes what stands for a thing in a process of its own; None where isolated plugins may not register it."""


def _name(thing: Any, plugin: str) -> str:
    return str(thing.name)


KINDS: tuple[Kind, ...] = (
    Kind(
        "rig_register_providers",
        contexts.ProvidersContext,
        admission.provider,
        _name,
        lambda thing, plugin, guard, settings: GuardedProvider(thing, guard, settings.secret),
    ),
    Kind(
        "rig_register_webhook_sources",
        contexts.WebhookSourcesContext,
        admission.webhook_source,
        lambda thing, plugin: str(thing.type),
        lambda thing, plugin, guard, settings: GuardedSource(thing, guard, settings.call_seconds),
    ),
    Kind(
        "rig_register_health_checkers",
        contexts.HealthCheckersContext,
        admission.health_checker,
        _name,
        lambda thing, plugin, guard, settings: Watched(thing, guard),
        IsolatedChecker,
    ),
    Kind(
        "rig_register_notifiers",
        contexts.NotifiersContext,
        admission.notifier,
        _name,
        lambda thing, plugin, guard, settings: GuardedNotifier(thing, guard),
        IsolatedNotifier,
    ),
    Kind(
        "rig_register_trackers",
        contexts.TrackersContext,
        admission.tracker,
        _name,
        lambda thing, plugin, guard, settings: GuardedTracker(thing, guard),
        IsolatedTracker,
    ),
    Kind(
        "rig_register_step_kinds",
        contexts.StepKindsContext,
        admission.step_kind,
        _name,
        lambda thing, plugin, guard, settings: GuardedStep(thing, guard),
        IsolatedStep,
    ),
    Kind(
        "rig_register_price_sources",
        contexts.PriceSourcesContext,
        admission.price_source,
        _name,
        lambda thing, plugin, guard, settings: GuardedPrices(thing, guard),
    ),
    Kind(
        "rig_register_operations",
        contexts.OperationsContext,
        admission.operation,
        lambda thing, plugin: f"{plugin}/{thing.name}",
        lambda thing, plugin, guard, settings: GuardedOperation(thing, plugin, guard).described(settings.call_seconds),
    ),
)
"""What the daemon asks plugins for. Commands are the command line's (``rig.plugin.commands``)."""
ISOLATED: Mapping[str, Kind] = {kind.hook: kind for kind in KINDS if kind.proxy is not None}
"""What plugins in a process of their own may register, by hook."""
