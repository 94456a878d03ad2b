"""The configuration of the provider ``claude``."""

from typing import Literal

from pydantic import Field, field_validator

from rig import ProviderConfig


class ClaudeConfig(ProviderConfig):
    """``[providers.claude]``. ``env`` grants the API key: ``env = { ANTHROPIC_API_KEY = "$SECRET:ANTHROPIC_API_KEY" }``."""

    command: str = Field("claude", min_length=1)
    """The program: a name on PATH or a path; it gets its arguments from Rig."""
    base_url: str | None = Field(None, pattern=r"^https?://")
    """Address of the model API, unset for the program's own."""
    max_turns: int | None = Field(None, ge=1, le=10_000)
    """Turns of a session; unset takes ``dispatch.max_turns``, and the smaller of the two holds."""
    approval: Literal["deny", "ask", "auto"] = "deny"
    """What becomes of a tool call that needs permission: refused, put to a human (`ask`), or allowed without asking anyone (`auto`)."""
    ask_seconds: int | None = Field(None, ge=1)
    """How long a human has to answer before it counts as refused; unset: as long as the lease lives."""
    allowed_tools: tuple[str, ...] = ()
    """Tools that need no permission, such as ``Edit`` or ``Bash(git *)``."""
    disallowed_tools: tuple[str, ...] = ()
    """Tools that are taken away, also with ``auto``."""

    @field_validator("allowed_tools", "disallowed_tools")
    @classmethod
    def _no_options(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not tool or tool.startswith("-") for tool in value):
            raise ValueError("a tool's name may not be empty or begin with a dash")
        return value
