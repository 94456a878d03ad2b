"""The configuration of the Linear plugin."""

from typing import Annotated

from pydantic import Field, SecretStr

from rig import PluginConfig


class LinearConfig(PluginConfig):
    """``[plugins.linear]``."""

    queued_types: tuple[str, ...] = ("unstarted", "started")
    """Types of workflow states in which an issue is work to do; `triage` and `backlog` are not decided upon yet."""
    api_key: SecretStr | None = None
    """Key that may read issues, best as `"$SECRET:NAME"`; unset: Linear is not polled."""
    teams: tuple[Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{0,9}$")], ...] = ()
    """Keys of the teams (`ENG`) whose issues are polled; empty: all that the key may see."""
    projects: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")], ...] = ()
    """Slug ids of the projects, the last part of their address; empty: all of the teams, and issues of no project."""
    endpoint: str = Field(
        "https://api.linear.app/graphql", pattern=r"^(https://[^\s@?#]+|http://(127\.0\.0\.1|localhost)(:\d+)?(/[^\s@?#]*)?)$"
    )
    """Address of the API."""
    reserve: int = Field(100, ge=0)
    """Requests of Linear's rate limit that are left to others: with no more left, polling rests until the limit is reset."""
