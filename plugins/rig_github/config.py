"""The configuration of the GitHub plugin."""

from typing import Annotated

from pydantic import Field, SecretStr, model_validator

from rig import PluginConfig
from rig.outgoing import address_fault


class GitHubConfig(PluginConfig):
    """``[plugins.github]``."""

    trust_own_labels: bool = True
    """Whether a label set by the issue's own author counts as a maintainer's.

    Labelling needs triage rights, but a repository's issue template sets its labels in the author's name. Turn this off where
    such templates are open to strangers.
    """
    api_url: str = Field("", pattern=r"^(https?://[^\s/?#]+(/[^\s?#]*[^\s/?#])?)?$")
    """Address of GitHub's API, without a slash at its end (``https://api.github.com``); deep health then watches it as critical.

    Empty: that of github.com where `repositories` are polled, else nothing asks GitHub. Webhooks alone need no API.
    """
    repositories: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}$")], ...] = ()
    """Repositories (`owner/name`) whose issues are polled; empty: none."""
    token: SecretStr | None = None
    """Token that may read their issues, best as `"$SECRET:NAME"`; unset: without one GitHub allows 60 requests an hour."""
    reserve: int = Field(100, ge=0)
    """Requests of GitHub's rate limit that are left to others: with no more left, polling rests until the limit is reset."""

    @model_validator(mode="after")
    def _sent_to_github_alone(self) -> "GitHubConfig":
        """The address is shown, so it holds no password; and a token is not sent where others can read along."""
        if self.api_url and (fault := address_fault(self.api_url, plain=self.token is None)):
            raise ValueError(f"api_url: {fault}")
        return self
