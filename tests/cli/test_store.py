"""Commands that work on the store itself, with no daemon."""

import json
import sqlite3
from pathlib import Path

import click
import pytest

from rig import errors
from rig.store.lock import DirectoryLock
from rig.store.verify import DATABASE
from tests.cli.conftest import Rig


@pytest.fixture
def data(tmp_path: Path, rig: Rig) -> Path:
    """A data directory with three events."""
    for name in ("one", "two", "three"):
        assert rig("key", "create", name).exit_code == 0
    return tmp_path / "data"


def damage(data: Path) -> None:
    with sqlite3.connect(data / DATABASE) as connection:
        connection.execute("""UPDATE events SET body = replace(body, '"two"', '"TWO"') WHERE position = 2""")
    connection.close()


def test_the_first_key_needs_no_daemon(rig: Rig, tmp_path: Path) -> None:
    assert rig("key", "list", "-o", "id").output == ""
    text = rig("key", "create", "ci").output.strip()
    assert text.startswith("rig_")
    (row,) = json.loads(rig("key", "list", "-o", "json").output)
    assert (row["name"], row["scopes"]) == ("ci", ["orchestrator:write"])
    assert text.split("_")[1] == row["prefix"]
    assert rig("key", "revoke", text.rpartition("_")[0]).exit_code == 0
    assert rig("key", "list", "-o", "id").output == ""
    assert isinstance(rig("key", "revoke", "api-key-00000000").exception, errors.NotFound)
    assert text.encode() not in (tmp_path / "data" / DATABASE).read_bytes()


@pytest.mark.parametrize("arguments", [("", "--scope", "read"), ("x" * 101,), ("x", "--tenant", "A B"), ("x\x1b",)])
def test_a_key_that_could_not_be_made_over_http_is_not_made_here(rig: Rig, arguments: tuple[str, ...]) -> None:
    assert isinstance(rig("key", "create", *arguments).exception, errors.RigError)
    assert rig("key", "list", "-o", "id").output == ""


def test_a_data_directory_in_use_is_asked_over_http(rig: Rig, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rig.client.address.DEFAULT_URL", "http://127.0.0.1:1")
    lock = DirectoryLock(data)
    try:
        assert isinstance(rig("key", "list").exception, errors.Unreachable)
    finally:
        lock.release()


def test_the_doctor_finds_nothing_wrong_with_a_sound_store(rig: Rig, data: Path) -> None:
    result = rig("doctor")
    assert result.return_value == 0
    lines = result.output.splitlines()
    assert all(line.startswith(("ok ", "warn ")) for line in lines)
    assert "ok   chain        3 events, every hash follows from the one before" in lines
    assert any("agents run as your user" in line for line in lines)
    assert json.loads(rig("doctor", "-o", "json", "--filter", "chain").output)[0]["check"] == "chain"


def test_the_doctor_names_the_first_bad_sequence(rig: Rig, data: Path) -> None:
    damage(data)
    before = (data / DATABASE).read_bytes()
    result = rig("doctor")
    assert result.return_value == 1
    assert "fail chain        damaged at sequence 2" in result.output
    assert (data / DATABASE).read_bytes() == before


def test_the_doctor_goes_on_with_a_shortened_log_only_when_told(rig: Rig, data: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    assert rig("backup", str(old)).exit_code == 0
    rig("key", "create", "four")
    (data / DATABASE).write_bytes((old / DATABASE).read_bytes())
    assert rig("doctor").return_value == 1
    assert isinstance(rig("key", "create", "five").exception, errors.LogCorrupt)
    assert rig("doctor", "--accept-head").return_value == 0
    assert "head_accepted" in rig("export").output
    assert "nothing to accept" in rig("doctor", "--accept-head").output


@pytest.mark.parametrize(
    ("config", "check"), [("[nonsense]\n", "config"), ("x = ", "config"), ('[dispatch]\nenabled = true\nprovider = "claude"\n', "claude")]
)  # fmt: skip
def test_the_doctor_fails_for_what_keeps_the_daemon_from_its_work(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str, check: str
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    (tmp_path / "rig.toml").write_text(config)
    result = rig("doctor")
    assert result.return_value == 1
    assert f"fail {check}" in result.output


def test_the_doctor_warns_of_a_data_directory_that_others_see(rig: Rig, data: Path) -> None:
    data.chmod(0o755)
    assert "warn data dir" in rig("doctor").output


def test_the_doctor_knows_a_wrong_master_key(rig: Rig, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rig.vault.master import open_vault

    open_vault(data, data / "master.key", {})
    assert "opens what is sealed" in rig("doctor").output
    monkeypatch.setenv("RIG_MASTER_KEY", "ab" * 32)
    assert "fail vault" in rig("doctor").output


def test_the_doctor_says_when_the_data_directory_is_none(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = rig("doctor", "--data-dir", str(tmp_path / "file"))
    assert result.return_value == 1
    assert "is not a directory" in result.output


def test_read_models_are_compared_with_the_log_and_made_anew(rig: Rig, data: Path) -> None:
    sound = rig("rebuild", "--check")
    assert sound.return_value == 0
    assert "every read model is what the log says" in sound.output
    with sqlite3.connect(data / DATABASE) as connection:
        connection.execute("DELETE FROM model_keys WHERE rowid = 1")
    connection.close()
    broken = rig("rebuild", "--check")
    assert broken.return_value == 1
    assert "not what the log says: keys" in broken.output
    assert rig("rebuild").output.splitlines() == sound.output.splitlines()[:-1]
    assert rig("rebuild", "--check").output == sound.output
    rows = json.loads(rig("rebuild", "--check", "-o", "json").output)
    assert next(row["rows"] for row in rows if row["table"] == "keys") == 3


def test_the_store_is_shown_as_it_stood(rig: Rig, data: Path, tmp_path: Path) -> None:
    assert rig("rebuild", "--until", "2", "--into", str(tmp_path / "then")).exit_code == 0
    assert len(rig("key", "list", "-o", "id", "--data-dir", str(tmp_path / "then")).output.splitlines()) == 2
    assert rig("rebuild", "--until", "2001-01-01T00:00:00Z", "--into", str(tmp_path / "empty")).exit_code == 0
    assert isinstance(rig("rebuild", "--until", "9", "--into", str(tmp_path / "no")).exception, errors.NotFound)
    assert isinstance(rig("rebuild", "--until", "soon", "--into", str(tmp_path / "no")).exception, errors.BadRequest)
    assert isinstance(rig("rebuild", "--until", "1", "--into", str(tmp_path / "then")).exception, errors.Conflict)


@pytest.mark.parametrize("options", [("--until", "1"), ("--into", "x"), ("--check", "--until", "1", "--into", "x")])
def test_options_that_make_no_sense_together_are_refused(rig: Rig, options: tuple[str, ...]) -> None:
    assert isinstance(rig("rebuild", *options).exception, click.UsageError)


def test_a_damaged_log_is_not_folded(rig: Rig, data: Path) -> None:
    damage(data)
    for arguments in (["rebuild"], ["rebuild", "--check"], ["key", "create", "x"]):
        assert isinstance(rig(*arguments).exception, errors.LogCorrupt), arguments


def test_the_log_goes_out_as_ndjson_and_whole_directories_out_and_in(rig: Rig, data: Path, tmp_path: Path) -> None:
    lines = rig("export").output.splitlines()
    assert [json.loads(line)["sequence"] for line in lines] == [1, 2, 3]
    assert len(rig("export", "--until", "2").output.splitlines()) == 2
    copy, again = str(tmp_path / "copy"), str(tmp_path / "again")
    told = rig("backup", copy).output
    assert "3 events" in told
    assert "master key is not in it" in told
    assert isinstance(rig("backup", copy).exception, errors.Conflict)
    assert "3 events" in rig("restore", copy, "--data-dir", again).output
    assert rig("export", "--data-dir", again).output.splitlines() == lines
    assert isinstance(rig("restore", copy).exception, errors.Conflict)


@pytest.mark.parametrize("arguments", [["rebuild"], ["rebuild", "--check"], ["export"], ["backup", "x"], ["restore", "x"]])
def test_without_a_store_there_is_nothing_to_work_on(rig: Rig, arguments: list[str]) -> None:
    assert isinstance(rig(*arguments).exception, errors.NotFound)


def test_a_store_in_memory_leaves_nothing_to_work_on(rig: Rig) -> None:
    assert isinstance(rig("export", "--store", "memory:").exception, errors.ConfigError)


def test_the_configuration_is_checked_shown_and_described_without_a_daemon(rig: Rig, tmp_path: Path) -> None:
    assert rig("config", "check").output == "the built-in defaults: valid\n"
    (tmp_path / "rig.toml").write_text('[[webhook_sources]]\nname = "g"\ntype = "github"\nsecret = "hush-hush"\n')
    assert rig("config", "check").output == "rig.toml: valid\n"
    shown = rig("config", "show", "--offline")
    assert "webhook_sources" in shown.output
    assert "hush" not in shown.output
    assert json.loads(rig("config", "schema").output)["properties"]["server"]
    (tmp_path / "bad.toml").write_text("[server]\nport = 99999\n[providers.mock]\nspeed = 1\n")
    refused = rig("config", "check", "bad.toml").exception
    assert isinstance(refused, errors.ConfigError)
    assert "server.port" in refused.message


def test_plugins_are_listed_without_a_daemon(rig: Rig) -> None:
    assert {"checks", "claude", "command", "github", "mock"} <= set(
        rig("plugin", "list", "--offline", "-o", "id").output.split()
    )
    rows = {row["name"]: row for row in json.loads(rig("plugin", "list", "--offline", "-o", "json").output)}
    assert rows["genai-prices"]["operations"][0]["name"] == "price"


def test_names_that_two_plugins_want_are_listed_without_a_daemon(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "rig.toml").write_text('[plugins]\ndir = "."\n')
    (tmp_path / "mock.py").write_text("raise RuntimeError('imported')")
    code = "import rig, click\n@rig.hookimpl\ndef rig_register_commands(context):\n    return [click.Command(n, callback=lambda: None) for n in {}]\n"
    for file, names in (("hides", ["alone", "queue"]), ("one", ["greet"]), ("two", ["greet"])):
        (tmp_path / f"{file}.py").write_text(code.format(names))
    rows = {row["name"]: row for row in json.loads(rig("plugin", "list", "--offline", "-o", "json").output)}
    assert {n: rows[n]["state"] for n in ("mock", "hides", "one", "two")} == {
        "mock": "load_error",
        "hides": "load_error",
        "one": "enabled",
        "two": "load_error",
    }
    assert "2 plugins are called mock: the file mock.py and rig_mock of rigtui" in rows["mock"]["last_error"]
    assert rows["hides"]["last_error"] == "rig_register_commands: rig queue is a command of Rig's own"
    assert "'greet' is registered already by the plugin one (the file one.py)" in rows["two"]["last_error"]
    assert "plugin two: rig_register_commands: 'greet'" in rig("no-such-command").stderr
    assert rig("greet").exception is None
    assert isinstance(rig("alone").exception, click.UsageError), "half of a plugin is nothing"
