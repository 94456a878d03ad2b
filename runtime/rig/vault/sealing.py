"""Sealing of single values: AES-256-GCM under the master key, bound to tenant, name and version."""

import hashlib
import os
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rig.errors import ConfigError, WrongKey

KEY_BYTES: Final = 32
_FORMAT: Final = b"\x01"
_KEY_ID: Final = 8
_NONCE: Final = 12
_HEAD: Final = len(_FORMAT) + _KEY_ID + _NONCE


class Vault:
    """Seals and opens values; the caller keeps what was sealed.

    A sealed value is format (1 byte), key id (8), nonce (12, random for each value), ciphertext and tag. The key id tells a
    value of another key from a damaged one and, while a key is being replaced, which values are still to be sealed again (I22).
    """

    def __init__(self, key: bytes) -> None:
        """``key`` is 32 bytes; raises ConfigError otherwise."""
        if len(key) != KEY_BYTES:
            raise ConfigError(f"the master key must have {KEY_BYTES} bytes")
        self._cipher = AESGCM(key)
        self.key_id = hashlib.sha256(b"rig master key id\0" + key).digest()[:_KEY_ID]
        """Tells keys apart without telling anything of them."""

    def __repr__(self) -> str:
        return f"<Vault {self.key_id.hex()}>"

    def seal(self, tenant: str, name: str, version: int, plaintext: bytes) -> bytes:
        """``plaintext`` so that only this key opens it, and only as this version of this name of this tenant."""
        nonce = os.urandom(_NONCE)
        head = _FORMAT + self.key_id + nonce
        return head + self._cipher.encrypt(nonce, plaintext, _bound_to(head, tenant, name, version))

    def open(self, tenant: str, name: str, version: int, sealed: bytes) -> bytes:
        """What was sealed. Raises WrongKey when another key sealed it, or it was not sealed as this, or it is damaged."""
        if sealed[: len(_FORMAT)] != _FORMAT or len(sealed) < _HEAD:
            raise WrongKey("a sealed value is damaged: it was not written by this vault", name=name)
        if sealed[len(_FORMAT) : len(_FORMAT) + _KEY_ID] != self.key_id:
            raise WrongKey(name=name)
        head = sealed[:_HEAD]
        try:
            return self._cipher.decrypt(head[-_NONCE:], sealed[_HEAD:], _bound_to(head, tenant, name, version))
        except InvalidTag:
            raise WrongKey("a sealed value is damaged, or was sealed as another one", name=name) from None


def _bound_to(head: bytes, tenant: str, name: str, version: int) -> bytes:
    """The additional data; JSON, so that no two triples have the same bytes."""
    return head + msgspec.json.encode((tenant, name, version))
