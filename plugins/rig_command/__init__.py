"""The provider ``command``: any program that reads a prompt and writes lines."""

from collections.abc import Sequence

from rig import ProviderRegistration, ProvidersContext, hookimpl

RIG_REQUIRES = ">=0.1,<0.2"


@hookimpl
def rig_register_providers(context: ProvidersContext) -> Sequence[ProviderRegistration]:
    from rig_command.provider import CommandConfig, CommandProvider

    return [ProviderRegistration("command", CommandProvider(), CommandConfig)]
