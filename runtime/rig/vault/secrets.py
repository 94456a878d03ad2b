"""Named secrets of a tenant, and the values in configuration that refer to them as ``"$SECRET:NAME"``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from rig.config.references import is_secret_name, secret_name
from rig.errors import ConfigError, NotFound, Unprocessable
from rig.vault.private import read_private, replace_private
from rig.vault.sealing import Vault

FILE = "secrets.sealed"
"""In the data directory: the sealed values. Useless without the master key."""


class Secrets(Protocol):
    """What resolves references."""

    def get(self, tenant: str, name: str) -> str | None:
        """The secret, None when the tenant has none of that name. Raises WrongKey."""
        ...


def resolve(value: str, tenant: str, secrets: Secrets) -> str:
    """``value`` itself, or the secret that it refers to. Raises NotFound, ConfigError for a name that no secret may have."""
    try:
        name = secret_name(value)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if name is None:
        return value
    secret = secrets.get(tenant, name)
    if secret is None:
        raise NotFound(f"there is no secret {name}", name=name)
    return secret


class _Entry(msgspec.Struct, frozen=True):
    version: int
    sealed: bytes


class SealedFile:
    """Secrets in one file of the data directory, each value sealed by itself; one process at a time may write."""

    def __init__(self, vault: Vault, path: Path) -> None:
        """Raises ConfigError when the file is there and is not one of ours."""
        self._vault = vault
        self._path = path
        content = read_private(path)
        try:
            entries = msgspec.json.decode(content, type=dict[str, dict[str, _Entry]]) if content else {}
        except msgspec.DecodeError:
            raise ConfigError(f"{path}: is damaged; put it back from a backup") from None
        self._entries: Mapping[str, Mapping[str, _Entry]] = entries

    def get(self, tenant: str, name: str) -> str | None:
        """The secret, None when there is none. Raises WrongKey."""
        entry = self._entries.get(tenant, {}).get(name)
        return None if entry is None else self._vault.open(tenant, name, entry.version, entry.sealed).decode()

    def names(self, tenant: str) -> list[str]:
        """The names of a tenant's secrets, sorted."""
        return sorted(self._entries.get(tenant, {}))

    def put(self, tenant: str, name: str, value: str) -> int:
        """Set a secret and return its version, 1 for a new one. Raises Unprocessable for a bad name or an empty value."""
        if not is_secret_name(name) or not value:
            raise Unprocessable("a secret has a name of capitals, digits and underscores, and a value", name=name)
        old = self._entries.get(tenant, {}).get(name)
        version = 1 if old is None else old.version + 1
        sealed = self._vault.seal(tenant, name, version, value.encode())
        self._write(tenant, {**self._entries.get(tenant, {}), name: _Entry(version, sealed)})
        return version

    def remove(self, tenant: str, name: str) -> bool:
        """Forget a secret; False when there was none."""
        mine = self._entries.get(tenant, {})
        if name not in mine:
            return False
        self._write(tenant, {known: entry for known, entry in mine.items() if known != name})
        return True

    def _write(self, tenant: str, mine: Mapping[str, _Entry]) -> None:
        entries = {**self._entries, tenant: mine}
        replace_private(self._path, msgspec.json.encode(entries))
        self._entries = entries
