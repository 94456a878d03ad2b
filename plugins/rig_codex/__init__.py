"""The provider ``codex``: the Codex command line, as it is installed, by its app-server protocol."""

from collections.abc import Sequence

from rig import HealthChecker, HealthCheckersContext, ProviderRegistration, ProvidersContext, hookimpl

RIG_REQUIRES = ">=0.1,<0.2"


@hookimpl
def rig_register_providers(context: ProvidersContext) -> Sequence[ProviderRegistration]:
    from rig_codex.config import CodexConfig
    from rig_codex.provider import CodexProvider

    return [ProviderRegistration("codex", CodexProvider(), CodexConfig, steers=True)]


@hookimpl
def rig_register_health_checkers(context: HealthCheckersContext) -> Sequence[HealthChecker]:
    from rig_codex.health import CodexLogin

    return [CodexLogin()]
