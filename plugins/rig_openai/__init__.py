"""Models behind an OpenAI-compatible server, with tools of Rig's own: ``vllm``, ``gemma``, ``qwen``, ``openai`` and named others."""

from collections.abc import Sequence

from rig import ProviderRegistration, ProvidersContext, hookimpl

RIG_REQUIRES = ">=0.1,<0.2"
RIG_CONFIG = "rig_openai.config:OpenAISettings"

NAMES = ("vllm", "gemma", "qwen", "openai")


@hookimpl
def rig_register_providers(context: ProvidersContext) -> Sequence[ProviderRegistration]:
    from rig_openai.config import OpenAIConfig
    from rig_openai.provider import OpenAIProvider

    names = dict.fromkeys((*NAMES, *context.config.names))
    return [ProviderRegistration(name, OpenAIProvider(name), OpenAIConfig, steers=True) for name in names]
