"""The provider ``claude``: the Claude Code command line, as it is installed."""

from collections.abc import Sequence

from rig import HealthChecker, HealthCheckersContext, ProviderRegistration, ProvidersContext, hookimpl

RIG_REQUIRES = ">=0.1,<0.2"


@hookimpl
def rig_register_providers(context: ProvidersContext) -> Sequence[ProviderRegistration]:
    from rig_claude.config import ClaudeConfig
    from rig_claude.provider import ClaudeProvider

    return [ProviderRegistration("claude", ClaudeProvider(), ClaudeConfig, steers=True)]


@hookimpl
def rig_register_health_checkers(context: HealthCheckersContext) -> Sequence[HealthChecker]:
    from rig_claude.health import ClaudeLogin

    return [ClaudeLogin()]
