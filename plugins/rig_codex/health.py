"""Whether the program is there and runs, and whether its sessions are granted the key that they name. Spends no token."""

import shutil

from rig import CheckResult, HealthContext, NothingToCheck
from rig.probes import Probe
from rig_codex.config import CONFINE, UNCONFINED, CodexConfig


class CodexLogin:
    """The dependency ``provider:codex``, where the provider is configured or dispatch works with it.

    ``codex login status`` tells nothing here: sessions have a home of their own, and take their key from ``env_key``.
    """

    name = "provider:codex"
    critical = False

    def __init__(self) -> None:
        self._probe = Probe()
        self._sandbox = Probe()

    async def check(self, context: HealthContext) -> CheckResult | NothingToCheck:
        """``codex --version``, the key's name among what is granted, and whether its sandbox works here."""
        setup = context.providers().get("codex")
        if setup is None:
            return NothingToCheck()
        if setup.missing:
            return CheckResult("Unreachable", f"there is no secret for {', '.join(setup.missing)}")
        config = CodexConfig.model_validate(setup.settings)
        program = shutil.which(config.command)
        if program is None:
            return CheckResult("Unreachable", "the program is not installed: npm install -g @openai/codex")
        if config.env_key not in setup.granted:
            return CheckResult("Unreachable", f"no key: grant {config.env_key} in [providers.codex] env")
        said = await self._probe.ask([program, "--version"], {})
        if said is None:
            return CheckResult("Degraded", "the program has not answered yet")
        if said.status != 0:
            return CheckResult("Unreachable", f"the program does not run: exit {said.status}")
        if config.confined:
            confined = await self._sandbox.ask([program, *CONFINE], {})
            if confined is not None and confined.status != 0:
                return CheckResult("Unreachable", UNCONFINED)
        return CheckResult()
