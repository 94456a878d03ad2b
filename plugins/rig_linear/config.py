"""The configuration of the Linear plugin."""

from rig import PluginConfig


class LinearConfig(PluginConfig):
    """``[plugins.linear]``."""

    queued_types: tuple[str, ...] = ("unstarted", "started")
    """Types of workflow states in which an issue is work to do; `triage` and `backlog` are not decided upon yet."""
