"""Precedence, provenance and refusals of a start's configuration."""

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

from rig.config import Configuration, Settings, default_data_dir, load, usable_data_dir
from rig.config.layers import leaves, merge, nested
from rig.config.sources import LARGEST_FILE
from rig.errors import ConfigError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_without_any_source_everything_is_the_default() -> None:
    configuration = load(environ={})
    assert configuration.settings == Settings()
    assert configuration.file is None
    assert configuration.data_dir == default_data_dir()
    assert set(configuration.provenance().values()) == {"default"}


def test_each_source_goes_before_the_one_below(elsewhere: Path) -> None:
    file = write(elsewhere / "a.toml", "[server]\nport = 1\n")
    environ: dict[str, str] = {}

    def port(**arguments: Any) -> tuple[int, str]:
        found = load(config=file, environ=environ, arguments=arguments).with_overlay(overlay)
        return found.settings.server.port, found.origin("server.port")

    overlay: dict[str, Any] = {}
    assert port() == (1, "file")
    environ["PORT"] = "2"
    assert port() == (2, "environment")
    environ["RIG__SERVER__PORT"] = "3"
    assert port() == (3, "environment")
    overlay = {"server": {"port": 4}}
    assert port() == (4, "overlay")
    assert port(**{"server.port": 5}) == (5, "command line")
    assert port(**{"server.port": None}) == (4, "overlay")


def test_the_file_of_the_working_directory_is_read_and_another_one_can_be_named(elsewhere: Path) -> None:
    write(elsewhere / "rig.toml", "[server]\nport = 1\n")
    named = write(elsewhere / "named.toml", "[server]\nport = 2\n")
    option = write(elsewhere / "option.toml", "[server]\nport = 3\n")
    assert load(environ={}).settings.server.port == 1
    assert load(environ={"RIG_CONFIG": str(named)}).settings.server.port == 2
    assert load(environ={"RIG_CONFIG": str(named)}, config=option).settings.server.port == 3


def test_the_data_directory_comes_from_option_then_variable_then_the_system(elsewhere: Path) -> None:
    assert load(environ={"RIG_DATA_DIR": str(elsewhere / "v")}).data_dir == elsewhere / "v"
    assert load(environ={"RIG_DATA_DIR": str(elsewhere / "v")}, data_dir=Path("o")).data_dir == elsewhere / "o"


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("RIG__SERVER__PORT", "0", "server.port", 0),
        ("RIG__SERVER__HOST", "0", "server.host", "0"),
        ("RIG__DISPATCH__ENABLED", "true", "dispatch.enabled", True),
        ("RIG__DISPATCH__MODEL", "5", "dispatch.model", "5"),
        ("RIG__DISPATCH__SUCCESS_STATE", "done", "dispatch.success_state", "done"),
        ("RIG__TRACKER__REQUIRED_LABELS", "a, b", "tracker.required_labels", ["a", "b"]),
        ("RIG__TRACKER__REQUIRED_LABELS", '["a,b"]', "tracker.required_labels", ["a,b"]),
        ("RIG__PROVIDERS__MOCK__SCRIPT", "plain text", "providers.mock.script", "********"),
        ("RIG__PROVIDERS__MOCK__STEPS", "3", "providers.mock.steps", 3),
        ("WORKSPACE_DIR", "/w", "workspace.root", "/w"),
        ("SUBMIT_API_KEYS", "one,two", "auth.submit_api_keys", ["********", "********"]),
    ],
)
def test_a_variable_is_read_as_the_type_of_its_key(variable: str, text: str, key: str, value: Any) -> None:
    configuration = load(environ={variable: text})
    assert dict(leaves(configuration.effective()))[key] == value
    assert configuration.origin(key) == "environment"


def test_all_errors_come_at_once_each_with_its_place(elsewhere: Path) -> None:
    file = write(elsewhere / "a.toml", "[server]\nprot = 1\n[hooks]\ntimeout_ms = 0\n[dispatch]\nenabled = 'yes'\n")
    with pytest.raises(ConfigError) as refused:
        load(config=file, environ={"RIG__SERVER__PORT": "many", "RIG__AUTH": "5"}, arguments={"server.host": ""})
    errors = {error["path"]: error["source"] for error in refused.value.details["errors"]}
    assert errors == {
        "server.prot": str(file),
        "hooks.timeout_ms": str(file),
        "dispatch.enabled": str(file),
        "server.port": "RIG__SERVER__PORT",
        "auth": "RIG__AUTH",
        "server.host": "--host",
    }
    assert "\n" not in refused.value.message
    assert all(path in refused.value.message for path in errors)
    assert refused.value.exit_code == 78


def test_no_error_repeats_a_secret(elsewhere: Path) -> None:
    text = (
        '[[webhook_sources]]\nname = "UP"\ntype = "github"\nsecret = "$SECRET:canary-4711"\nsecret_previous = ["canary-4711"]\n'
    )
    with pytest.raises(ConfigError) as refused:
        load(config=write(elsewhere / "a.toml", text), environ={"RIG__AUTH__MODE": "canary-4711"})
    assert len(refused.value.details["errors"]) == 4
    assert "canary" not in str(refused.value) + repr(refused.value.details)


def test_two_sources_of_one_name_are_refused(elsewhere: Path) -> None:
    source = '[[webhook_sources]]\nname = "gh"\ntype = "github"\nsecret = "s"\n'
    with pytest.raises(ConfigError, match="two sources have the name gh"):
        load(config=write(elsewhere / "a.toml", source * 2), environ={})


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 30)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "no such file"),
        (_pipe, "not a regular file"),
        (lambda path: path.mkdir(), "not a regular file"),
        (_huge, "larger than 1 MiB"),
        (lambda path: path.write_bytes(b"[server\n"), "is not TOML"),
        (lambda path: path.write_bytes(b"a = " + b"[" * 100_000), "is not TOML"),
        (lambda path: path.write_bytes(b"\xff"), "not UTF-8"),
        (lambda path: path.write_bytes(b"a = 1\na = 2\n"), "is not TOML"),
        (lambda path: path.symlink_to(path), "cannot be read"),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
    ],
)
def test_a_bad_file_is_one_clear_line(elsewhere: Path, make: Any, reason: str) -> None:
    path = elsewhere / "bad.toml"
    make(path)
    with pytest.raises(ConfigError, match=reason) as refused:
        load(config=path, environ={})
    assert str(path) in refused.value.message
    assert "\n" not in refused.value.message


def test_a_file_of_the_largest_size_is_read(elsewhere: Path) -> None:
    assert load(config=write(elsewhere / "a.toml", "#" * LARGEST_FILE), environ={}).settings == Settings()


def test_a_broken_file_in_the_working_directory_is_not_passed_over(elsewhere: Path) -> None:
    (elsewhere / "rig.toml").symlink_to("nowhere")
    with pytest.raises(ConfigError, match="no such file"):
        load(environ={})


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_text(""), "is not a directory"),
        (lambda path: path.parent.joinpath("x").write_text(""), None),
    ],
)
def test_a_data_directory_is_made_or_refused_in_one_line(elsewhere: Path, make: Any, reason: str | None) -> None:
    path = elsewhere / "below" / "data"
    path.parent.mkdir()
    make(path)
    if reason is None:
        assert usable_data_dir(path).stat().st_mode & 0o777 == 0o700
    else:
        with pytest.raises(ConfigError, match=reason):
            usable_data_dir(path)


@pytest.mark.parametrize("name", ["x" * 300, "/".join(["y" * 200] * 30), "nul\0"])
def test_an_impossible_data_directory_is_refused(elsewhere: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        usable_data_dir(elsewhere / name)


def test_a_data_directory_that_cannot_be_written_is_refused(monkeypatch: pytest.MonkeyPatch, elsewhere: Path) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the tests may run as root, who may always
    with pytest.raises(ConfigError, match="cannot be written"):
        usable_data_dir(elsewhere)


def test_the_repositorys_file_equals_the_defaults(repository: Path) -> None:
    configuration = load(config=repository / "rig.toml", environ={})
    assert configuration.settings == Settings()
    present = {key for key, _ in leaves(tomllib.loads((repository / "rig.toml").read_text()))}
    assert present == set(dict(leaves(load(environ={}).effective()))) - {"providers", "webhook_sources"}


def test_the_examples_in_the_repositorys_file_are_valid(repository: Path, elsewhere: Path) -> None:
    text = (repository / "rig.toml").read_text()
    _, _, examples = text.partition("docs/configuration.md lists them.\n")
    lines = [line.removeprefix("# ") for line in examples.splitlines()]
    uncommented = "\n".join(line for line in lines if "=" in line or line.startswith(("[", "#")) or not line)
    source = load(config=write(elsewhere / "a.toml", uncommented), environ={}).settings.webhook_sources[0]
    assert source.secret.get_secret_value() == "$SECRET:GITHUB_WEBHOOK"
    assert source.secret_previous is not None


@pytest.mark.parametrize(
    ("below", "above", "result"),
    [
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        ({"a": [1]}, {"a": [2]}, {"a": [2]}),
        ({"a": {"b": 1}}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"a": {"b": 2}}, {"a": {"b": 2}}),
        ({"a": {"b": 1}}, {"a": {}}, {"a": {"b": 1}}),
    ],
)
def test_tables_are_merged_and_all_else_is_replaced(below: Any, above: Any, result: Any) -> None:
    from rig.config.layers import Layer

    values, _ = merge([Layer("file", below, {}, "f"), Layer("overlay", above, {}, "o")])
    assert values == result


def test_dotted_keys_become_tables_and_back() -> None:
    flat = {"a.b": 1, "a.c.d": [2], "e": "f"}
    assert dict(leaves(nested(flat))) == flat


def test_paths_have_their_places_in_the_data_directory(elsewhere: Path) -> None:
    configuration: Configuration = load(environ={"RIG_DATA_DIR": str(elsewhere)})
    assert configuration.key_file == elsewhere / "master.key"
    assert configuration.workspace_root == elsewhere / "workspaces"
    assert configuration.overlay_file == elsewhere / "overlay.toml"
    assert load(environ={"WORKSPACE_DIR": "w"}).workspace_root == elsewhere / "w"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\nprot = 1\n", "server.prot: there is no such key, is port meant? ("),
        ("[sever]\nport = 1\n", "sever: there is no such key, is server meant? ("),
        (
            '[[webhook_sources]]\nname = "a"\ntype = "hmac"\nsecrte = "x"\nsecret = "y"\n',
            "secrte: there is no such key, is secret meant? (",
        ),
        ("[server]\nzzz = 1\n", "server.zzz: there is no such key ("),
    ],
)
def test_a_misspelt_key_is_told_with_the_one_that_is_meant(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "rig.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(config=file, data_dir=tmp_path, environ={})
    assert said in refused.value.message
