"""Every hook that a plugin may implement: the table of contents of what Rig can be taught.

Each hook takes one frozen context and returns what it adds; an implementation may leave the context out. Implementations are
plain functions (hooks of the second half may be coroutines) of a module that an entry point of the group ``rig`` names, marked
with ``rig.hookimpl``::

    @rig.hookimpl
    def rig_register_health_checkers(context):
        from acme_rig.health import AcmeChecker
        return [AcmeChecker()]

Registration hooks run once, when the plugin is loaded, off the event loop and with a deadline.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import pluggy

from rig.plugin.contexts import (
    CommandsContext,
    HealthChecker,
    HealthCheckersContext,
    NotifiersContext,
    OperationsContext,
    PriceSourcesContext,
    ProvidersContext,
    StepKindsContext,
    TrackersContext,
    WebhookSource,
    WebhookSourcesContext,
)
from rig.plugin.marker import PROJECT
from rig.plugin.moments import (
    AttentionContext,
    CompletionContext,
    DispatchContext,
    Reply,
    RunChanges,
    RunContext,
    RunEndedContext,
    TransitionContext,
    Veto,
)
from rig.plugin.notifier import Notifier
from rig.plugin.operations import PluginOperation
from rig.plugin.pricing import PriceSource
from rig.plugin.provider import ProviderRegistration
from rig.plugin.steps import StepKind
from rig.plugin.tracker import Tracker

if TYPE_CHECKING:
    import click

hookspec = pluggy.HookspecMarker(PROJECT)

F = TypeVar("F", bound=Callable[..., object])


@dataclass(frozen=True)
class HookInfo:
    """The life of a hook."""

    since: str
    """Version of Rig that it first was in."""
    deprecated: str | None = None
    """What to use instead, and when this one goes; shown with every plugin that implements it. None while it stays."""


HOOKS: dict[str, HookInfo] = {}
"""Every hook by name, in the order of this page."""


def hook(since: str, deprecated: str | None = None) -> Callable[[F], F]:
    """Mark a function as a hook."""

    def mark(function: F) -> F:
        HOOKS[function.__name__] = HookInfo(since, deprecated)
        return hookspec(function)

    return mark


# What a plugin adds


@hook(since="0.1.0")
def rig_register_providers(context: ProvidersContext) -> Sequence[ProviderRegistration]:  # type: ignore[empty-body]
    """Add kinds of agents that Rig can launch. ``rig_command`` is the shortest example."""


@hook(since="0.1.0")
def rig_register_webhook_sources(context: WebhookSourcesContext) -> Sequence[WebhookSource]:  # type: ignore[empty-body]
    """Add senders whose webhooks Rig understands. ``rig_github`` is an example."""


@hook(since="0.1.0")
def rig_register_trackers(context: TrackersContext) -> Sequence[Tracker]:  # type: ignore[empty-body]
    """Add places where issues live, that Rig asks what is to be done. ``rig_files`` is the shortest example."""


@hook(since="0.1.0")
def rig_register_health_checkers(context: HealthCheckersContext) -> Sequence[HealthChecker]:  # type: ignore[empty-body]
    """Add dependencies that deep health watches. ``rig_checks`` is an example."""


@hook(since="0.1.0")
def rig_register_notifiers(context: NotifiersContext) -> Sequence[Notifier]:  # type: ignore[empty-body]
    """Add ways to tell people what happened. ``rig_slack`` is an example."""


@hook(since="0.1.0")
def rig_register_step_kinds(context: StepKindsContext) -> Sequence[StepKind]:  # type: ignore[empty-body]
    """Add kinds of steps that a DAG may have. ``rig_steps`` is an example."""


@hook(since="0.1.0")
def rig_register_price_sources(context: PriceSourcesContext) -> Sequence[PriceSource]:  # type: ignore[empty-body]
    """Add what knows the prices of models. ``rig_genai_prices`` is an example."""


@hook(since="0.1.0")
def rig_register_operations(context: OperationsContext) -> Sequence[PluginOperation]:  # type: ignore[empty-body]
    """Add endpoints at ``/x/<plugin>/…``, also there as ``rig x`` and in the dashboard. ``rig_genai_prices`` is an example."""


@hook(since="0.1.0")
def rig_register_commands(context: CommandsContext) -> "Sequence[click.Command]":  # type: ignore[empty-body]
    """Add commands to ``rig``. ``rig_genai_prices`` is an example."""


# What happens; these may be coroutines


@hook(since="0.1.0")
def rig_before_dispatch(context: DispatchContext) -> Veto | None:
    """Stop this daemon from working on an issue that it has claimed: it goes back to the queue. ``rig_policy`` is an example."""


@hook(since="0.1.0")
def rig_after_dispatch(context: DispatchContext) -> None:
    """Hear that an issue was handed to a slot of this daemon. ``rig_policy`` is an example."""


@hook(since="0.1.0")
def rig_before_run(context: RunContext) -> RunChanges | Veto | None:
    """Change what a run gets, or stop it. ``rig_policy`` is an example."""


@hook(since="0.1.0")
def rig_after_run(context: RunEndedContext) -> None:
    """Hear how a run ended. ``rig_policy`` is an example."""


@hook(since="0.1.0")
def rig_before_transition(context: CompletionContext) -> Veto | None:
    """Refuse a completion: an agent that asked is told with 409, a run of this daemon fails. ``rig_policy`` is an example."""


@hook(since="0.1.0")
def rig_after_transition(context: TransitionContext) -> None:
    """Hear that an issue's state has changed. ``rig_policy`` is an example."""


@hook(since="0.1.0")
def rig_before_attention(context: AttentionContext) -> Reply | None:
    """Answer a question before a human is asked. ``rig_policy`` is an example."""


@hook(since="0.1.0")
def rig_after_attention(context: AttentionContext) -> None:
    """Hear that something needs a human. ``rig_policy`` is an example."""
