"""Models behind an OpenAI-compatible server, with tools of Rig's own: ``vllm``, ``gemma``, ``qwen``, ``openai`` and named others."""

from collections.abc import Iterable, Sequence

from rig import HealthChecker, HealthCheckersContext, ProviderRegistration, ProvidersContext, hookimpl

RIG_REQUIRES = ">=0.1,<0.2"
RIG_CONFIG = "rig_openai.config:OpenAISettings"

NAMES = ("vllm", "gemma", "qwen", "openai")


def _with(names: Iterable[str]) -> list[str]:
    """All names, each once."""
    return list(dict.fromkeys((*NAMES, *names)))


@hookimpl
def rig_register_providers(context: ProvidersContext) -> Sequence[ProviderRegistration]:
    from rig_openai.config import OpenAIConfig
    from rig_openai.provider import OpenAIProvider

    return [ProviderRegistration(n, OpenAIProvider(n), OpenAIConfig, steers=True) for n in _with(context.config.names)]


@hookimpl
def rig_register_health_checkers(context: HealthCheckersContext) -> Sequence[HealthChecker]:
    from rig_openai.health import ModelServer

    return [ModelServer(name) for name in _with(context.config.names)]
