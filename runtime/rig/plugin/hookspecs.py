"""Every hook that a plugin may implement: the table of contents of what Rig can be taught.

Each hook takes one frozen context and returns what it adds; an implementation may leave the context out. Implementations are
plain functions of a module that an entry point of the group ``rig`` names, marked with ``rig.hookimpl``::

    @rig.hookimpl
    def rig_register_health_checkers(context):
        from acme_rig.health import AcmeChecker
        return [AcmeChecker()]

They run once, when the daemon starts, off the event loop and with a deadline.
"""

from collections.abc import Sequence

import pluggy

from rig.plugin.contexts import HealthChecker, HealthCheckersContext, ProvidersContext, WebhookSource, WebhookSourcesContext
from rig.plugin.provider import ProviderRegistration

PROJECT = "rig"
"""pluggy's project name, and the entry-point group."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def rig_register_providers(context: ProvidersContext) -> Sequence[ProviderRegistration]:  # type: ignore[empty-body]
    """Add kinds of agents that Rig can launch. ``rig_command`` is the shortest example."""


@hookspec
def rig_register_webhook_sources(context: WebhookSourcesContext) -> Sequence[WebhookSource]:  # type: ignore[empty-body]
    """Add senders whose webhooks Rig understands. ``rig_github`` is an example."""


@hookspec
def rig_register_health_checkers(context: HealthCheckersContext) -> Sequence[HealthChecker]:  # type: ignore[empty-body]
    """Add dependencies that deep health watches. ``rig_checks`` is an example."""
