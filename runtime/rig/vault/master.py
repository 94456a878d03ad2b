"""The master key: where it comes from, how it is made, and how a wrong one is noticed before anything is touched (I22)."""

import binascii
import os
from collections.abc import Mapping
from pathlib import Path

from rig.errors import ConfigError, WrongKey
from rig.vault.private import create_private, read_private
from rig.vault.sealing import KEY_BYTES, Vault

VARIABLE = "RIG_MASTER_KEY"
CHECK_FILE = "vault.check"
"""In the data directory: a known text, sealed. It is made with the first key and tells every later one from a wrong one."""

_CHECK = ("", "vault.check", 1)
_TEXT = b"rig"
_HOW = "a master key is 64 hex digits; make one with: openssl rand -hex 32"


def open_vault(data_dir: Path, key_file: Path, environ: Mapping[str, str] | None = None) -> Vault:
    """The vault of a data directory, its key taken from RIG_MASTER_KEY or ``key_file``, which is made at the first start.

    Raises WrongKey for another key than the first one, also when the key file is gone (then no new one is made), and
    ConfigError for a key that is none or that others may read. Whatever is raised, no file has been changed.
    """
    environ = os.environ if environ is None else environ
    check = data_dir / CHECK_FILE
    sealed = read_private(check)
    given = environ.get(VARIABLE)
    if given:
        key = _parse(given.encode(), VARIABLE)
    elif (text := read_private(key_file)) is not None:
        key = _parse(text, str(key_file))
    elif sealed is not None:
        raise WrongKey(f"the master key {key_file} is missing, and {check} says that values are sealed with it: put it back")
    else:
        key = _make(key_file)
    vault = Vault(key)
    if sealed is None and not create_private(check, vault.seal(*_CHECK, _TEXT).hex().encode() + b"\n"):
        sealed = read_private(check)
    if sealed is not None:
        _compare(vault, sealed, check, VARIABLE if given else str(key_file))
    return vault


def _compare(vault: Vault, sealed: bytes, check: Path, source: str) -> None:
    try:
        value = bytes.fromhex(sealed.decode("ascii"))
    except ValueError:
        raise WrongKey(f"{check} is damaged; put it back from a backup") from None
    try:
        vault.open(*_CHECK, value)
    except WrongKey:
        raise WrongKey(f"the master key of {source} is not the one that this data directory's values are sealed with") from None


def _make(path: Path) -> bytes:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        create_private(path, os.urandom(KEY_BYTES).hex().encode() + b"\n")
    except OSError as error:
        raise ConfigError(f"{path}: the master key cannot be written: {(error.strerror or str(error)).lower()}") from None
    return _parse(read_private(path) or b"", str(path))


def _parse(text: bytes, source: str) -> bytes:
    try:
        key = binascii.unhexlify(text.strip())
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(f"{source}: {_HOW}")
    return key
