"""The provider ``mock``: plays a script in the workspace, with no network and no model."""

from collections.abc import Sequence

from rig import ProviderRegistration, ProvidersContext, hookimpl

RIG_REQUIRES = ">=0.1,<0.2"


@hookimpl
def rig_register_providers(context: ProvidersContext) -> Sequence[ProviderRegistration]:
    from rig_mock.provider import MockProvider
    from rig_mock.script import DEFAULT_MODEL, MockConfig

    return [ProviderRegistration("mock", MockProvider(), MockConfig, models=(DEFAULT_MODEL,), steers=True)]
