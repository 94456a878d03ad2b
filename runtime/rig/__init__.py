"""Rig: the control plane for a fleet of coding agents. The names here are the public ones, for plugin authors.

A name is looked up when it is first used, so ``import rig`` costs nothing.
"""

TYPE_CHECKING = False  # as type checkers read it; typing itself takes longer to import than all of this
if TYPE_CHECKING:
    from rig.errors import (
        BadRequest,
        BadSignature,
        ConfigError,
        Conflict,
        Forbidden,
        MalformedJson,
        NotFound,
        NotSent,
        PluginError,
        ProcessError,
        RigError,
        StaleDelivery,
        TrackerUnavailable,
        Unavailable,
        Unprocessable,
        WorkspaceError,
    )
    from rig.model.health import CheckResult, NothingToCheck
    from rig.model.notices import NoticeKind, Severity
    from rig.model.tracking import TrackedIssue
    from rig.plugin.config import NotifierConfig, PluginConfig, ProviderConfig
    from rig.plugin.contexts import (
        CommandsContext,
        HealthChecker,
        HealthCheckersContext,
        HealthContext,
        Identity,
        Mapped,
        NotifiersContext,
        OperationsContext,
        PriceSourcesContext,
        ProvidersContext,
        ProviderSetup,
        StepKindsContext,
        TrackersContext,
        WebhookDelivery,
        WebhookSettings,
        WebhookSource,
        WebhookSourcesContext,
    )
    from rig.plugin.marker import hookimpl
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
    from rig.plugin.notifier import Notification, Notifier
    from rig.plugin.operations import OperationRequest, PluginOperation
    from rig.plugin.pricing import ModelPrice, PriceSource
    from rig.plugin.provider import (
        Answer,
        Asks,
        Child,
        Limited,
        ListsModels,
        Model,
        Provider,
        ProviderRegistration,
        Resumable,
        Session,
        SessionResult,
        Steer,
        Steered,
        Usage,
    )
    from rig.plugin.steps import StepContext, StepKind, StepResult
    from rig.plugin.tracker import PollContext, Tracker, TrackerPage

__version__ = "0.1.0"

_HOMES = {
    "rig.errors": "BadRequest BadSignature ConfigError Conflict Forbidden MalformedJson NotFound NotSent PluginError "
    "ProcessError RigError StaleDelivery TrackerUnavailable Unavailable Unprocessable WorkspaceError",
    "rig.model.health": "CheckResult NothingToCheck",
    "rig.model.notices": "NoticeKind Severity",
    "rig.model.tracking": "TrackedIssue",
    "rig.plugin.config": "NotifierConfig PluginConfig ProviderConfig",
    "rig.plugin.contexts": "CommandsContext HealthChecker HealthCheckersContext HealthContext Identity Mapped "
    "NotifiersContext OperationsContext PriceSourcesContext ProviderSetup ProvidersContext StepKindsContext TrackersContext "
    "WebhookDelivery "
    "WebhookSettings WebhookSource WebhookSourcesContext",
    "rig.plugin.marker": "hookimpl",
    "rig.plugin.moments": "AttentionContext CompletionContext DispatchContext Reply RunChanges RunContext RunEndedContext "
    "TransitionContext Veto",
    "rig.plugin.notifier": "Notification Notifier",
    "rig.plugin.operations": "OperationRequest PluginOperation",
    "rig.plugin.pricing": "ModelPrice PriceSource",
    "rig.plugin.provider": "Answer Asks Child Limited ListsModels Model Provider ProviderRegistration Resumable Session SessionResult Steer Steered Usage",
    "rig.plugin.steps": "StepContext StepKind StepResult",
    "rig.plugin.tracker": "PollContext Tracker TrackerPage",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "Answer",
    "Asks",
    "AttentionContext",
    "BadRequest",
    "BadSignature",
    "CheckResult",
    "Child",
    "CommandsContext",
    "CompletionContext",
    "ConfigError",
    "Conflict",
    "DispatchContext",
    "Forbidden",
    "HealthChecker",
    "HealthCheckersContext",
    "HealthContext",
    "Identity",
    "Limited",
    "ListsModels",
    "MalformedJson",
    "Mapped",
    "Model",
    "ModelPrice",
    "NotFound",
    "NotSent",
    "NothingToCheck",
    "NoticeKind",
    "Notification",
    "Notifier",
    "NotifierConfig",
    "NotifiersContext",
    "OperationRequest",
    "OperationsContext",
    "PluginConfig",
    "PluginError",
    "PluginOperation",
    "PollContext",
    "PriceSource",
    "PriceSourcesContext",
    "ProcessError",
    "Provider",
    "ProviderConfig",
    "ProviderRegistration",
    "ProviderSetup",
    "ProvidersContext",
    "Reply",
    "Resumable",
    "RigError",
    "RunChanges",
    "RunContext",
    "RunEndedContext",
    "Session",
    "SessionResult",
    "Severity",
    "StaleDelivery",
    "Steer",
    "Steered",
    "StepContext",
    "StepKind",
    "StepKindsContext",
    "StepResult",
    "TrackedIssue",
    "Tracker",
    "TrackerPage",
    "TrackerUnavailable",
    "TrackersContext",
    "TransitionContext",
    "Unavailable",
    "Unprocessable",
    "Usage",
    "Veto",
    "WebhookDelivery",
    "WebhookSettings",
    "WebhookSource",
    "WebhookSourcesContext",
    "WorkspaceError",
    "__version__",
    "hookimpl",
]


if not TYPE_CHECKING:  # a type checker would take any name for one of Rig's

    def __getattr__(name):
        from importlib import import_module

        if name not in _HOME_OF:
            raise AttributeError(f"module 'rig' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
