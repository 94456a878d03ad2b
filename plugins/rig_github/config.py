"""The configuration of the GitHub plugin."""

from pydantic import Field

from rig import PluginConfig


class GitHubConfig(PluginConfig):
    """``[plugins.github]``."""

    trust_own_labels: bool = True
    """Whether a label set by the issue's own author counts as a maintainer's.

    Labelling needs triage rights, but a repository's issue template sets its labels in the author's name. Turn this off where
    such templates are open to strangers.
    """
    api_url: str = Field("", pattern=r"^(https?://[^\s/?#]+(/[^\s?#]*[^\s/?#])?)?$")
    """Address of GitHub's API, without a slash at its end (``https://api.github.com``); deep health then watches it as critical.

    Empty: nothing asks GitHub. Webhooks alone need no API.
    """
