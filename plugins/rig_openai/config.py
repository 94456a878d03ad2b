"""The configuration of the providers that speak to an OpenAI-compatible server."""

from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator

from rig import PluginConfig, ProviderConfig
from rig.outgoing import address_fault

LOCAL = "http://127.0.0.1:8000/v1"
"""Where vLLM listens unless told otherwise."""
HOSTED = "https://api.openai.com/v1"

TOOLS = ("read", "search", "write", "edit", "run")
ToolName = Literal["read", "search", "write", "edit", "run"]

OWN = frozenset({"model", "messages", "stream", "stream_options", "tools", "tool_choice", "n"})
"""What a request says by itself."""


class OpenAISettings(PluginConfig):
    """``[plugins.openai]``."""

    names: tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")], ...] = ()
    """Further providers of this kind beside `vllm`, `gemma`, `qwen` and `openai`, each with a table `[providers.NAME]` of its own."""


class OpenAIConfig(ProviderConfig):
    """``[providers.vllm]``, ``[providers.gemma]``, ``[providers.qwen]``, ``[providers.openai]`` and those of ``plugins.openai.names``."""

    base_url: str | None = Field(None, pattern=r"^https?://")
    """Address of the server's API, without `/chat/completions`; unset is `http://127.0.0.1:8000/v1`, for `openai` `https://api.openai.com/v1`."""
    api_key: SecretStr | None = None
    """Key of the API, best as `"$SECRET:NAME"`; the agent's commands don't see it. Unset: none is sent."""
    react_enabled: bool = True
    """Whether the model works in a loop with tools; otherwise it gives one answer."""
    tool_calls: Literal["auto", "native", "text"] = "auto"
    """How the model calls tools: by the API's own tool calls, in plain text, or the first unless the server refuses it (`auto`)."""
    max_turns: int | None = Field(None, ge=1, le=10_000)
    """Answers of the model in a session; unset takes `dispatch.max_turns`, and the smaller of the two holds."""
    approval: Literal["deny", "ask", "auto"] = "deny"
    """What becomes of `write`, `edit` and `run`: refused, put to a human (`ask`), or allowed without asking anyone (`auto`)."""
    ask_seconds: int | None = Field(None, ge=1)
    """How long a human has to answer before it counts as refused; unset: as long as the lease lives."""
    allowed_tools: tuple[ToolName, ...] = ()
    """Tools that need no permission, such as `edit`."""
    disallowed_tools: tuple[ToolName, ...] = ()
    """Tools that the model does not have, also with `auto`."""
    run_seconds: int = Field(600, ge=1, le=86_400)
    """Longest time of a command of `run`; the model may ask for less."""
    answer_seconds: int = Field(300, ge=1, le=86_400)
    """How long the server may be silent in the middle of an answer, or before it."""
    attempts: int = Field(6, ge=1, le=100)
    """How often a request is made that finds the server busy, broken or unreachable."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Added to every request, such as `{ temperature = 0.2, max_tokens = 8192 }`."""
    instructions: str = ""
    """Added to what the model is told of its task and its tools."""

    @field_validator("base_url")
    @classmethod
    def _no_secret(cls, value: str | None) -> str | None:
        """The address is logged and shown, so it holds neither a password nor a key."""
        if value is not None and (fault := address_fault(value, plain=True)):
            raise ValueError(fault)
        if value is not None and ("?" in value or "#" in value):
            raise ValueError("it has a query in it; a key belongs into api_key")
        return value

    @field_validator("parameters")
    @classmethod
    def _not_its_own(cls, value: dict[str, Any]) -> dict[str, Any]:
        if own := sorted(OWN & value.keys()):
            raise ValueError(f"a request says these by itself: {', '.join(own)}")
        return value

    def address(self, name: str) -> str:
        """Where the API of the provider of that name is."""
        return (self.base_url or (HOSTED if name == "openai" else LOCAL)).rstrip("/")

    def needs_permission(self, tool: str) -> bool:
        """Whether a call of that tool is asked for, or refused."""
        return self.approval != "auto" and tool in ("write", "edit", "run") and tool not in self.allowed_tools
