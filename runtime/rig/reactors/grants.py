"""What the sessions of a provider are given, and which secrets must not show in what they leave behind (I21)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rig.config import Settings
from rig.errors import ConfigError, NotFound
from rig.ids import DEFAULT_TENANT
from rig.plugin.contexts import ProviderSetup
from rig.vault.secrets import SealedFile, resolve

_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASS|AUTH|CREDENTIAL", re.IGNORECASE)
"""Variables whose value is a secret also when the configuration spells it out."""


@dataclass(frozen=True)
class Grants:
    """Environment of a session, and every live secret, granted or not."""

    environment: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


class Granter:
    """Reads ``[providers.<name>] env`` at each dispatch."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        secrets: SealedFile,
        url: Callable[[], str],
        others: Callable[[], tuple[str, ...]],
    ) -> None:
        """``url`` is the daemon's address, ``others`` are secrets that are in no vault (webhook secrets, operator token)."""
        self._settings = settings
        self._secrets = secrets
        self._url = url
        self._others = others

    def setups(self) -> dict[str, ProviderSetup]:
        """Every provider that is configured, and the one that dispatch works with; no value of a variable is in it."""
        settings = self._settings()
        wanted = {settings.dispatch.provider} if settings.dispatch.enabled else set()
        found = {}
        for name in sorted({*settings.providers, *wanted}):
            table = settings.providers.get(name, {})
            granted = _granted(table)
            own = {key: value for key, value in table.items() if key != "env"}
            missing = (variable for variable, value in granted.items() if not self._known(value))
            found[name] = ProviderSetup(own, tuple(sorted(granted)), tuple(sorted(missing)))
        return found

    def _known(self, value: str) -> bool:
        try:
            resolve(value, DEFAULT_TENANT, self._secrets)
        except (NotFound, ConfigError):
            return False
        return True

    def __call__(self, provider: str) -> Grants:
        """Raises NotFound when the configuration names a secret that does not exist."""
        granted = _granted(self._settings().providers.get(provider, {}))
        environment = {name: resolve(value, DEFAULT_TENANT, self._secrets) for name, value in granted.items()}
        telling = [value for name, value in environment.items() if _SECRET_NAME.search(name) and len(value) >= 8]
        vault = [self._secrets.get(DEFAULT_TENANT, name) for name in self._secrets.names(DEFAULT_TENANT)]
        live = (*(secret for secret in vault if secret), *telling, *self._others())
        return Grants({**environment, "RIG_URL": self._url()}, live)


def _granted(table: Mapping[str, Any]) -> dict[str, str]:
    env = table.get("env")
    return {name: str(value) for name, value in env.items()} if isinstance(env, dict) else {}
