"""Named secrets of a tenant, and the values in configuration that refer to them as ``"$SECRET:NAME"``."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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


_Entries = Mapping[str, Mapping[str, _Entry]]
_decode = msgspec.json.Decoder(dict[str, dict[str, _Entry]]).decode


class SealedFile:
    """Secrets in one file of the data directory, each value sealed by itself.

    Several processes may use it: a change is made under a lock and in one step, and is seen by all with the next question, so
    a secret can be set while the daemon runs.
    """

    def __init__(self, vault: Vault, path: Path) -> None:
        """Raises ConfigError when the file is there and is not one of ours."""
        self._vault = vault
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._entries: _Entries = {}
        self._refresh()

    def get(self, tenant: str, name: str) -> str | None:
        """The secret, None when there is none. Raises WrongKey, and ConfigError when the file was damaged meanwhile."""
        self._refresh()
        entry = self._entries.get(tenant, {}).get(name)
        return None if entry is None else self._vault.open(tenant, name, entry.version, entry.sealed).decode()

    def names(self, tenant: str) -> list[str]:
        """The names of a tenant's secrets, sorted."""
        self._refresh()
        return sorted(self._entries.get(tenant, {}))

    def put(self, tenant: str, name: str, value: str) -> int:
        """Set a secret and return its version, 1 for a new one. Raises Unprocessable for a bad name or an empty value."""
        if not is_secret_name(name) or not value:
            raise Unprocessable("a secret has a name of capitals, digits and underscores, and a value", name=name)
        with self._alone():
            mine = self._entries.get(tenant, {})
            version = mine[name].version + 1 if name in mine else 1
            sealed = self._vault.seal(tenant, name, version, value.encode())
            self._write(tenant, {**mine, name: _Entry(version, sealed)})
        return version

    def remove(self, tenant: str, name: str) -> bool:
        """Forget a secret; False when there was none."""
        with self._alone():
            mine = self._entries.get(tenant, {})
            if name not in mine:
                return False
            self._write(tenant, {known: entry for known, entry in mine.items() if known != name})
        return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process changes the file meanwhile; what is known of it is the newest."""
        lock = os.open(self._path.with_name(f"{self._path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._refresh()
            yield
        finally:
            os.close(lock)

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._seen, self._entries = None, {}
            return
        seen = (status.st_ino, status.st_mtime_ns, status.st_size)
        if seen != self._seen:
            content = read_private(self._path)
            try:
                self._entries = _decode(content) if content else {}
            except msgspec.DecodeError:
                raise ConfigError(f"{self._path}: is damaged; put it back from a backup") from None
            self._seen = seen

    def _write(self, tenant: str, mine: Mapping[str, _Entry]) -> None:
        replace_private(self._path, msgspec.json.encode({**self._entries, tenant: mine}))
