"""Named secrets, the references to them, API keys and the operator's token."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rig.errors import ConfigError, NotFound, Unprocessable, WrongKey
from rig.ids import SeededIds, SystemIds
from rig.vault.keys import digest, key_prefix, make_key, matches
from rig.vault.operator import operator_token, read_operator_token
from rig.vault.sealing import Vault
from rig.vault.secrets import SealedFile, resolve

KEY = bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secrets.sealed"


def test_a_secret_is_kept_sealed_and_found_again(path: Path) -> None:
    secrets = SealedFile(Vault(KEY), path)
    assert secrets.put("t", "TOKEN", "canary-4711") == 1
    assert secrets.put("t", "TOKEN", "canary-4712") == 2
    assert secrets.put("u", "TOKEN", "other") == 1
    again = SealedFile(Vault(KEY), path)
    assert again.get("t", "TOKEN") == "canary-4712"
    assert again.get("v", "TOKEN") is None
    assert again.names("t") == ["TOKEN"]
    assert again.remove("t", "TOKEN")
    assert not again.remove("t", "TOKEN")
    assert SealedFile(Vault(KEY), path).get("t", "TOKEN") is None
    assert b"canary" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_secret_set_by_another_process_is_seen_at_once(path: Path) -> None:
    daemon, command = SealedFile(Vault(KEY), path), SealedFile(Vault(KEY), path)
    assert daemon.get("t", "TOKEN") is None
    assert command.put("t", "TOKEN", "one") == 1
    assert daemon.get("t", "TOKEN") == "one"
    assert daemon.put("t", "TOKEN", "two") == 2
    assert command.put("t", "OTHER", "three") == 1
    assert (daemon.get("t", "TOKEN"), daemon.names("t")) == ("two", ["OTHER", "TOKEN"])
    path.unlink()
    assert daemon.names("t") == []


def test_processes_that_set_secrets_at_the_same_time_lose_none(path: Path) -> None:
    def put(number: int) -> None:
        secrets = SealedFile(Vault(KEY), path)
        for count in range(5):
            secrets.put("t", f"S{number}_{count}", "value")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, range(4)))
    assert len(SealedFile(Vault(KEY), path).names("t")) == 20


def test_another_key_opens_no_secret_and_destroys_none(path: Path) -> None:
    SealedFile(Vault(KEY), path).put("t", "TOKEN", "value")
    before = path.read_bytes()
    with pytest.raises(WrongKey):
        SealedFile(Vault(bytes(32)), path).get("t", "TOKEN")
    assert path.read_bytes() == before
    assert SealedFile(Vault(KEY), path).get("t", "TOKEN") == "value"


def test_a_value_put_in_the_place_of_another_does_not_open(path: Path) -> None:
    secrets = SealedFile(Vault(KEY), path)
    secrets.put("t", "LONG", "value")
    secrets.put("t", "LING", "worth")
    path.write_bytes(path.read_bytes().replace(b"LONG", b"swap").replace(b"LING", b"LONG").replace(b"swap", b"LING"))
    with pytest.raises(WrongKey):
        SealedFile(Vault(KEY), path).get("t", "LONG")


@pytest.mark.parametrize("text", ["{", "[]", '{"t": {"A": {"version": "x"}}}', "\0"])
def test_a_damaged_file_is_refused_and_left(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="damaged"):
        SealedFile(Vault(KEY), path)
    assert path.read_text() == text


@pytest.mark.parametrize(
    "name", ["PATH", "LD_PRELOAD", "PYTHONPATH", "GIT_SSH", "NODE_OPTIONS", "BASH_ENV", "low", "1A", "_A", "A" * 65, ""]
)
def test_a_forbidden_name_is_refused(path: Path, name: str) -> None:
    with pytest.raises(Unprocessable):
        SealedFile(Vault(KEY), path).put("t", name, "value")
    with pytest.raises(ConfigError):
        resolve(f"$SECRET:{name}", "t", SealedFile(Vault(KEY), path))


def test_names_that_only_begin_like_forbidden_ones_are_good(path: Path) -> None:
    secrets = SealedFile(Vault(KEY), path)
    for name in ("PATHS", "A", "A" * 64, "LDAP", "GITHUB_TOKEN", "PYTEST"):
        assert secrets.put("t", name, "value") == 1


def test_a_reference_is_resolved_and_all_else_is_itself(path: Path) -> None:
    secrets = SealedFile(Vault(KEY), path)
    secrets.put("t", "TOKEN", "value")
    assert resolve("$SECRET:TOKEN", "t", secrets) == "value"
    assert resolve("TOKEN", "t", secrets) == "TOKEN"
    with pytest.raises(NotFound):
        resolve("$SECRET:TOKEN", "u", secrets)


def test_a_key_has_a_prefix_a_digest_and_shows_itself_once() -> None:
    key = make_key(SystemIds())
    assert key.text.startswith(f"rig_{key.prefix}_")
    assert key_prefix(key.text) == key.prefix
    assert matches(key.text, key.digest)
    assert not matches(key.text + "x", key.digest)
    assert key.text not in repr(key)
    assert digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len({make_key(SystemIds()).prefix for _ in range(100)}) > 90
    assert make_key(SeededIds(1)) == make_key(SeededIds(1))


def test_a_secret_with_underscores_does_not_confuse_the_prefix() -> None:
    assert key_prefix("rig_0123abcd_" + "_-" * 22) == "0123abcd"


@pytest.mark.parametrize(
    "text", ["", "rig_", "rig_0123abcd_short", "rig_0123ABCD_" + "a" * 43, "rig_0123abcd_" + "a" * 43 + "\n", "x" * 99]
)
def test_what_is_no_key_has_no_prefix(text: str) -> None:
    assert key_prefix(text) is None


def test_the_operators_token_survives_restarts_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    assert read_operator_token(tmp_path) is None
    token = operator_token(tmp_path, SystemIds())
    assert operator_token(tmp_path, SystemIds()) == token == read_operator_token(tmp_path)
    file = tmp_path / "operator.token"
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_operator_token(tmp_path)
    file.chmod(0o600)
    file.write_text("")
    with pytest.raises(ConfigError, match="empty"):
        operator_token(tmp_path, SystemIds())
