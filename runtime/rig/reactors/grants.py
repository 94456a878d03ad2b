"""What the sessions of a provider are given, and which secrets must not show in what they leave behind (I21)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rig.config import Settings
from rig.ids import DEFAULT_TENANT
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

    def __call__(self, provider: str) -> Grants:
        """Raises NotFound when the configuration names a secret that does not exist."""
        given = self._settings().providers.get(provider, {}).get("env")
        granted = given if isinstance(given, dict) else {}
        environment = {name: resolve(str(value), DEFAULT_TENANT, self._secrets) for name, value in granted.items()}
        telling = [value for name, value in environment.items() if _SECRET_NAME.search(name) and len(value) >= 8]
        vault = [self._secrets.get(DEFAULT_TENANT, name) for name in self._secrets.names(DEFAULT_TENANT)]
        live = (*(secret for secret in vault if secret), *telling, *self._others())
        return Grants({**environment, "RIG_URL": self._url()}, live)
