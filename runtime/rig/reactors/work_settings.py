"""How the configuration reads to the executor: ``[workspace]``, ``[hooks]`` and ``[dispatch]`` in its own terms."""

from rig.config import Settings
from rig.work.hooks import HookName, Hooks
from rig.work.order import WorkSettings
from rig.work.workspace import WorkspaceSettings


def workspaces(settings: Settings) -> WorkspaceSettings:
    """Where workspaces come from."""
    section = settings.workspace
    return WorkspaceSettings(section.strategy, section.repo, allow=tuple(section.allow))


def executor(settings: Settings) -> WorkSettings:
    """How an execution runs."""
    section = settings.hooks
    scripts: dict[HookName, str] = {
        "after_create": section.after_create,
        "before_run": section.before_run,
        "after_run": section.after_run,
        "before_remove": section.before_remove,
    }
    return WorkSettings(
        hooks=Hooks({name: script for name, script in scripts.items() if script}, section.timeout_ms / 1000),
        commit=settings.workspace.commit,
        stall_seconds=settings.dispatch.stall_timeout_ms / 1000,
    )
