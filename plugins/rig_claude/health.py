"""Whether the program is there, and whether it would find itself logged in with what its sessions are granted. Spends no token."""

import json
import shutil
from typing import Any

from rig import CheckResult, HealthContext, NothingToCheck
from rig.probes import Probe
from rig_claude.config import ClaudeConfig
from rig_claude.provider import environment

STANDS_FOR = "1"
"""What each granted variable is while the program is asked: it only looks whether there is one, and a switch is on."""


class ClaudeLogin:
    """The dependency ``provider:claude``, where the provider is configured or dispatch works with it."""

    name = "provider:claude"
    critical = False

    def __init__(self) -> None:
        self._probe = Probe()

    async def check(self, context: HealthContext) -> CheckResult | NothingToCheck:
        """``claude auth status`` in an empty home, as a session has it."""
        setup = context.providers().get("claude")
        if setup is None:
            return NothingToCheck()
        if setup.missing:
            return CheckResult("Unreachable", f"there is no secret for {', '.join(setup.missing)}")
        config = ClaudeConfig.model_validate(setup.settings)
        program = shutil.which(config.command)
        if program is None:
            return CheckResult("Unreachable", "the program is not installed: npm install -g @anthropic-ai/claude-code")
        env = dict.fromkeys(setup.granted, STANDS_FOR) | environment(config, root=False)
        said = await self._probe.ask([program, "auth", "status"], env)
        if said is None:
            return CheckResult("Degraded", "the program has not answered yet")
        status = _object(said.text)
        if "loggedIn" not in status:
            return CheckResult("Degraded", f"the program does not say whether it is logged in (exit {said.status})")
        if status["loggedIn"] is not True:
            return CheckResult("Unreachable", "not logged in: grant ANTHROPIC_API_KEY in [providers.claude] env")
        return CheckResult()


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
