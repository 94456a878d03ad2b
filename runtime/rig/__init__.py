"""Rig: the control plane for a fleet of coding agents. The names here are the public ones, for plugin authors.

A name is looked up when it is first used, so ``import rig`` costs nothing.
"""

TYPE_CHECKING = False  # as type checkers read it; typing itself takes longer to import than all of this
if TYPE_CHECKING:
    from typing import Any

    from rig.errors import (
        BadRequest,
        BadSignature,
        ConfigError,
        MalformedJson,
        PluginError,
        ProcessError,
        RigError,
        StaleDelivery,
        WorkspaceError,
    )
    from rig.model.health import CheckResult
    from rig.plugin.config import PluginConfig, ProviderConfig
    from rig.plugin.contexts import (
        HealthChecker,
        HealthCheckersContext,
        HealthContext,
        Identity,
        Mapped,
        ProvidersContext,
        WebhookDelivery,
        WebhookSettings,
        WebhookSource,
        WebhookSourcesContext,
    )
    from rig.plugin.hookspecs import hookimpl
    from rig.plugin.provider import Asks, Child, Provider, ProviderRegistration, Session, SessionResult, Usage

__version__ = "0.1.0"

_HOMES = {
    "rig.errors": "BadRequest BadSignature ConfigError MalformedJson PluginError ProcessError RigError StaleDelivery "
    "WorkspaceError",
    "rig.model.health": "CheckResult",
    "rig.plugin.config": "PluginConfig ProviderConfig",
    "rig.plugin.contexts": "HealthChecker HealthCheckersContext HealthContext Identity Mapped ProvidersContext WebhookDelivery "
    "WebhookSettings WebhookSource WebhookSourcesContext",
    "rig.plugin.hookspecs": "hookimpl",
    "rig.plugin.provider": "Asks Child Provider ProviderRegistration Session SessionResult Usage",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "Asks",
    "BadRequest",
    "BadSignature",
    "CheckResult",
    "Child",
    "ConfigError",
    "HealthChecker",
    "HealthCheckersContext",
    "HealthContext",
    "Identity",
    "MalformedJson",
    "Mapped",
    "PluginConfig",
    "PluginError",
    "ProcessError",
    "Provider",
    "ProviderConfig",
    "ProviderRegistration",
    "ProvidersContext",
    "RigError",
    "Session",
    "SessionResult",
    "StaleDelivery",
    "Usage",
    "WebhookDelivery",
    "WebhookSettings",
    "WebhookSource",
    "WebhookSourcesContext",
    "WorkspaceError",
    "__version__",
    "hookimpl",
]


def __getattr__(name: str) -> "Any":
    from importlib import import_module

    if name not in _HOME_OF:
        raise AttributeError(f"module 'rig' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
