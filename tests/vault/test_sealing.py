"""Values are sealed for one tenant, one name and one version, and by one key."""

import pytest

from rig.errors import ConfigError, WrongKey
from rig.vault.sealing import Vault

KEY = bytes(range(32))


def test_what_was_sealed_is_opened_and_nowhere_in_the_sealed_value() -> None:
    vault = Vault(KEY)
    for plaintext in (b"", b"canary-4711", b"x" * 100_000):
        sealed = vault.seal("t", "NAME", 1, plaintext)
        assert vault.open("t", "NAME", 1, sealed) == plaintext
        assert not plaintext or plaintext not in sealed


def test_the_same_value_is_never_sealed_alike() -> None:
    vault = Vault(KEY)
    assert len({vault.seal("t", "NAME", 1, b"same") for _ in range(200)}) == 200


@pytest.mark.parametrize(
    "other", [("u", "NAME", 1), ("t", "NAME2", 1), ("t", "NAME", 2), ("tN", "AME", 1), ('t","N', "AME", 1)]
)
def test_a_sealed_value_opens_only_as_what_it_was_sealed_as(other: tuple[str, str, int]) -> None:
    vault = Vault(KEY)
    with pytest.raises(WrongKey, match="sealed as another"):
        vault.open(*other, vault.seal("t", "NAME", 1, b"value"))


def test_every_flipped_bit_is_noticed() -> None:
    vault = Vault(KEY)
    sealed = vault.seal("t", "NAME", 1, b"value")
    for index in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[index] ^= 1
        with pytest.raises(WrongKey):
            vault.open("t", "NAME", 1, bytes(damaged))
    for length in range(len(sealed)):
        with pytest.raises(WrongKey):
            vault.open("t", "NAME", 1, sealed[:length])


def test_another_key_is_told_from_damage() -> None:
    sealed = Vault(KEY).seal("t", "NAME", 1, b"value")
    with pytest.raises(WrongKey, match="master key does not open"):
        Vault(bytes(32)).open("t", "NAME", 1, sealed)


def test_a_vault_shows_nothing_of_its_key() -> None:
    vault = Vault(KEY)
    assert KEY.hex() not in repr(vault)
    assert vault.key_id not in KEY
    with pytest.raises(ConfigError):
        Vault(b"short")
