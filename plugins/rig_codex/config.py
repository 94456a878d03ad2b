"""The configuration of the provider ``codex``, and what it writes into the program's own home."""

from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import Field

from rig import ProviderConfig

SERVER = "rig"
"""Name of the model API in the program's ``config.toml``."""


CONFINE = ("sandbox", "--", "true")
"""What to ask the program whether it can confine commands on this machine: it does when that ends with 0."""

UNCONFINED = (
    "codex can't confine commands on this machine (it needs unprivileged user namespaces, or bubblewrap): allow them, or set "
    'providers.codex.sandbox = "danger-full-access" and let its commands do all that your user may'
)


class CodexConfig(ProviderConfig):
    """``[providers.codex]``. ``env`` grants the API key: ``env = { OPENAI_API_KEY = "$SECRET:OPENAI_API_KEY" }``."""

    command: str = Field("codex", min_length=1)
    """The program: a name on PATH or a path; Rig starts its `app-server`."""
    base_url: str = Field("https://api.openai.com/v1", pattern=r"^https?://")
    """Address of the model API."""
    wire_api: Literal["responses"] = "responses"
    """How the model API is spoken to."""
    env_key: str = Field("OPENAI_API_KEY", pattern=r"^[A-Z][A-Z0-9_]{0,63}$")
    """Name of the granted variable that holds the API's key; commands of the agent don't see it."""
    max_turns: int | None = Field(None, ge=1, le=10_000)
    """Turns of a session, which are answers of the model; unset takes `dispatch.max_turns`, and the smaller of the two holds."""
    approval: Literal["deny", "ask", "auto"] = "deny"
    """What becomes of an action that needs permission: refused, put to a human (`ask`), or allowed without asking anyone (`auto`)."""
    ask_when: Literal["untrusted", "on-request"] = "untrusted"
    """With `ask`, what needs permission: every command that is not known to be harmless, or what the agent itself asks for."""
    ask_seconds: int | None = Field(None, ge=1)
    """How long a human has to answer before it counts as refused; unset: as long as the lease lives."""
    sandbox: Literal["read-only", "workspace-write", "danger-full-access"] | None = None
    """Sandbox of the agent's commands; unset is `workspace-write`. Where the machine can't confine them a session fails, unless
    it is `danger-full-access`."""

    @property
    def approval_policy(self) -> str:
        """When the program asks Rig."""
        return self.ask_when if self.approval == "ask" else "never"

    @property
    def sandbox_mode(self) -> str:
        return self.sandbox or "workspace-write"

    @property
    def confined(self) -> bool:
        return self.sandbox_mode != "danger-full-access"


def settings(config: CodexConfig, model: str | None) -> dict[str, Any]:
    """The ``config.toml`` of a session; it names the key's variable, never the key."""
    server = {"name": SERVER, "base_url": config.base_url, "wire_api": config.wire_api, "env_key": config.env_key}
    chosen = {"model": model} if model else {}
    return chosen | {
        "model_provider": SERVER,
        "model_providers": {SERVER: server},
        "check_for_update_on_startup": False,
        "analytics": {"enabled": False},
        "history": {"persistence": "none"},
        "shell_environment_policy": {"inherit": "all", "ignore_default_excludes": True, "exclude": [config.env_key]},
    }


def prepare(home: Path, config: CodexConfig, model: str | None) -> Path:
    """Make the program's own home under the attempt's; what an earlier session left there is gone on with. Blocks."""
    folder = home / ".codex"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "config.toml").write_text(tomli_w.dumps(settings(config, model)))
    return folder
