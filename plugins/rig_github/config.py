"""The configuration of the GitHub plugin."""

from rig import PluginConfig


class GitHubConfig(PluginConfig):
    """``[plugins.github]``."""

    trust_own_labels: bool = True
    """Whether a label set by the issue's own author counts as a maintainer's.

    Labelling needs triage rights, but a repository's issue template sets its labels in the author's name. Turn this off where
    such templates are open to strangers.
    """
