from pathlib import Path

import pytest

from rig.client.address import ADDRESS, DEFAULT_URL, OPERATOR_TOKEN, Target, is_loopback, operator_token, target
from rig.errors import ConfigError
from rig.ids import SystemIds
from rig.vault import operator


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    operator.operator_token(tmp_path, SystemIds())
    return tmp_path


def test_the_daemon_and_its_clients_mean_the_same_file() -> None:
    assert (OPERATOR_TOKEN, ADDRESS) == (operator.FILE, operator.ADDRESS)


def test_a_serving_daemon_is_found_by_its_data_directory(data_dir: Path) -> None:
    operator.leave_address(data_dir, "http://127.0.0.1:4711")
    assert target(data_dir=data_dir, environ={}).url == "http://127.0.0.1:4711"
    assert target(data_dir=data_dir, environ={"RIG_URL": "http://localhost:1"}).url == "http://localhost:1"
    (data_dir / ADDRESS).chmod(0o666)
    assert target(data_dir=data_dir, environ={}).url == DEFAULT_URL
    operator.leave_address(data_dir, None)
    assert not (data_dir / ADDRESS).exists()


def test_the_operator_token_is_taken_on_the_daemons_own_machine_only(data_dir: Path) -> None:
    token = operator.read_operator_token(data_dir)
    assert target(data_dir=data_dir, environ={}).token == token
    assert target(data_dir=data_dir, environ={}).found
    assert not target(data_dir=data_dir, environ={"RIG_TOKEN": "t"}).found
    assert target("http://[::1]:9", data_dir=data_dir, environ={}).token == token
    assert target("http://192.0.2.1:8080", data_dir=data_dir, environ={}).token is None


def test_a_token_that_is_given_goes_before_all(data_dir: Path) -> None:
    assert target(data_dir=data_dir, environ={"RIG_TOKEN": "t"}).token == "t"
    assert target(token="u", data_dir=data_dir, environ={"RIG_TOKEN": "t"}).token == "u"


def test_a_token_file_that_others_may_read_is_not_used(data_dir: Path) -> None:
    (data_dir / OPERATOR_TOKEN).chmod(0o644)
    assert operator_token(data_dir) is None


def test_the_environment_names_the_daemon_and_the_data_directory(data_dir: Path) -> None:
    found = target(environ={"RIG_URL": "http://localhost:99/", "RIG_DATA_DIR": str(data_dir)})
    assert found.url == "http://localhost:99"
    assert found.token


def test_a_target_never_shows_its_token() -> None:
    assert "secret" not in repr(Target(token="secret"))


@pytest.mark.parametrize(
    "url", ["localhost:8080", "ftp://x", "http://", "http://a b", "http://u:p@x", "http://x:99999", "http://x\x1b[2J"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="http://HOST:PORT"):
        target(url, environ={})


@pytest.mark.parametrize(("token", "tenant"), [("a b", None), ("a\nb", None), ("ü", None), (None, "A B")])
def test_what_is_no_token_or_tenant_is_refused(token: str | None, tenant: str | None) -> None:
    with pytest.raises(ConfigError):
        target("http://192.0.2.1", token=token, tenant=tenant, environ={})


@pytest.mark.parametrize(
    ("url", "expected"),
    [("http://127.0.0.1", True), ("http://127.9.9.9:1", True), ("http://localhost:1", True), ("http://10.0.0.1", False), ("http://localhost.evil.example", False)],
)  # fmt: skip
def test_loopback_is_this_machine(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected
