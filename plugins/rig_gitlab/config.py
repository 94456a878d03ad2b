"""The configuration of the GitLab plugin."""

from rig import PluginConfig


class GitLabConfig(PluginConfig):
    """``[plugins.gitlab]``. GitLab's deliveries don't say what an author is to the project, so this does."""

    trusted_users: tuple[str, ...] = ()
    """User names whose issues are queued without approval, and whose merge requests from forks may name an issue."""
    trust_private_projects: bool = True
    """Whether all who can open an issue in a private or internal project are trusted: they are its members, or your own people."""
    trust_labels: bool = True
    """Whether an issue that carries every label of `tracker.required_labels` is trusted: labelling needs the Planner role."""
