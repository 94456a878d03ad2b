"""What may be changed at run time, how it is shown, and its mirror."""

import os
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel, ConfigDict, SecretStr

from rig.config import Configuration, load, write_mirror
from rig.config.overlay import patched, put, without
from rig.errors import BadRequest, ConfigError, NotFound


class Shop(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int = 1
    token: SecretStr = SecretStr("")
    env: dict[str, str] = {}


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configuration:
    monkeypatch.chdir(tmp_path)
    return load(environ={})


def test_a_candidate_is_refused_as_a_whole_with_every_error(configuration: Configuration) -> None:
    good = configuration.with_overlay({"server": {"port": 9}})
    with pytest.raises(ConfigError) as refused:
        good.with_overlay({"server": {"port": 70000, "x": 1}, "y": 2, "dispatch": {"enabled": True}})
    assert [error["path"] for error in refused.value.details["errors"]] == ["server.port", "server.x", "y"]
    assert {error["source"] for error in refused.value.details["errors"]} == {"overlay"}
    assert good.settings.server.port == 9
    assert not good.settings.dispatch.enabled


def test_an_overlay_replaces_the_one_before(configuration: Configuration) -> None:
    first = configuration.with_overlay({"server": {"port": 9}})
    second = first.with_overlay({"dispatch": {"enabled": True}})
    assert second.settings.server.port == 8080
    assert second.overlay == {"dispatch": {"enabled": True}}
    assert second.provenance()["dispatch.enabled"] == "overlay"


@pytest.mark.parametrize(
    "values", [{"server": {"port": None}}, {"providers": {"a": {"b": None}}}, {"providers": {"a": [None]}}]
)
def test_null_is_no_value(configuration: Configuration, values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="null"):
        configuration.with_overlay(values)


def test_a_secret_set_at_run_time_must_be_a_reference(configuration: Configuration) -> None:
    known = configuration.knowing(providers={"shop": Shop})
    source = {"name": "gh", "type": "github", "secret": "canary"}
    with pytest.raises(ConfigError) as refused:
        known.with_overlay({"webhook_sources": [source], "providers": {"shop": {"token": "canary"}}})
    assert [error["path"] for error in refused.value.details["errors"]] == ["webhook_sources.0.secret", "providers.shop.token"]
    assert "canary" not in str(refused.value)
    taken = known.with_overlay(
        {"webhook_sources": [source | {"secret": "$SECRET:GH"}], "providers": {"shop": {"token": "$SECRET:T"}}}
    )
    assert taken.settings.webhook_sources[0].secret.get_secret_value() == "$SECRET:GH"


def test_a_secret_of_the_file_does_not_stand_in_the_way_of_an_overlay(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[[webhook_sources]]\nname = "gh"\ntype = "github"\nsecret = "s"\n')
    load(config=tmp_path / "a.toml", environ={}).with_overlay({"server": {"port": 1}})


@pytest.mark.parametrize(
    "name", ["PATH", "LD_PRELOAD", "PYTHONPATH", "GIT_DIR", "NODE_OPTIONS", "BASH_ENV", "lower", "A" * 65, "", "A\n"]
)
def test_a_reference_to_a_forbidden_name_is_refused(configuration: Configuration, name: str) -> None:
    with pytest.raises(ConfigError, match="secret's name"):
        configuration.with_overlay({"auth": {"submit_api_keys": [f"$SECRET:{name}"]}})


def test_a_table_is_kept_until_its_plugin_is_known_and_then_validated(configuration: Configuration) -> None:
    loose = configuration.with_overlay({"providers": {"shop": {"size": "big", "colour": 1}}})
    with pytest.raises(ConfigError) as refused:
        loose.knowing(providers={"shop": Shop})
    assert [error["path"] for error in refused.value.details["errors"]] == ["providers.shop.size", "providers.shop.colour"]
    assert configuration.provider("shop", Shop) == Shop()
    with pytest.raises(ConfigError, match=r"plugins\.shop\.size"):
        configuration.knowing(plugins={"shop": Shop}).with_overlay({"plugins": {"shop": {"size": "big"}}})


def test_secrets_are_masked_by_type_and_unknown_tables_wholly(configuration: Configuration) -> None:
    table = {"token": "canary", "size": 3, "env": {"A": "canary", "B": "$SECRET:B"}}
    loose = load(
        environ={
            "RIG__PROVIDERS__SHOP": "{token='canary', size=3, env={A='canary', B='$SECRET:B'}}",
            "SUBMIT_API_KEYS": "canary",
        }
    )
    assert loose.provider("shop", Shop).model_dump(mode="python")["env"] == table["env"]
    for shown in (loose.effective(), loose.knowing(providers={"shop": Shop}).effective()):
        assert "canary" not in repr(shown)
        assert shown["providers"]["shop"] == {"token": "********", "size": 3, "env": {"A": "********", "B": "$SECRET:B"}}
    assert "canary" not in repr(loose.settings.auth) + repr(loose)


def test_the_schema_is_valid_and_knows_every_part(configuration: Configuration) -> None:
    known = configuration.knowing(providers={"shop": Shop}, plugins={"shop": Shop})
    schema = known.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    assert check.is_valid(
        {"server": {"port": 1}, "providers": {"shop": {"size": 1}}, "plugins": {"shop": {}, "disabled": ["x"]}}
    )
    assert not check.is_valid({"server": {"prot": 1}})
    assert not check.is_valid({"providers": {"shop": {"size": "big"}}})
    assert not check.is_valid({"plugins": {"shop": {"colour": 1}}})
    assert schema["$defs"]["Server"]["properties"]["port"]["description"]


def test_the_mirror_is_replaced_whole_and_leaves_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "overlay.toml"
    write_mirror(path, {"server": {"port": 1}})
    path.write_text("edited by hand [")
    write_mirror(path, {"server": {"port": 2}})
    assert tomllib.loads(path.read_text()) == {"server": {"port": 2}}

    def full(source: str, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_mirror(path, {"server": {"port": 3}})
    assert os.listdir(tmp_path) == ["overlay.toml"]
    assert tomllib.loads(path.read_text()) == {"server": {"port": 2}}


OVERLAY = {"server": {"port": 1, "host": "a"}, "providers": {"x": {"env": {"A": "b"}}}}


@pytest.mark.parametrize(
    ("path", "value", "result"),
    [
        ("server.port", 2, {"server": {"port": 2, "host": "a"}, "providers": {"x": {"env": {"A": "b"}}}}),
        ("server", {"port": 3}, {"server": {"port": 3}, "providers": {"x": {"env": {"A": "b"}}}}),
        ("hooks.before_run", "x", {**OVERLAY, "hooks": {"before_run": "x"}}),
        ("providers.x.env", {}, {"server": {"port": 1, "host": "a"}, "providers": {"x": {"env": {}}}}),
    ],
)
def test_a_key_is_put(path: str, value: Any, result: dict[str, Any]) -> None:
    assert put(OVERLAY, path, value) == result


def test_a_key_is_taken_out_with_the_tables_that_it_leaves_empty() -> None:
    assert without(OVERLAY, "server.port") == {"server": {"host": "a"}, "providers": OVERLAY["providers"]}
    assert without(OVERLAY, "providers.x.env.A") == {"server": OVERLAY["server"]}
    assert without(OVERLAY, "server") == {"providers": OVERLAY["providers"]}
    for path in ("server.x", "server.port.x", "y"):
        with pytest.raises(NotFound):
            without(OVERLAY, path)


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b"])
def test_a_path_without_keys_is_malformed(path: str) -> None:
    with pytest.raises(BadRequest):
        put(OVERLAY, path, 1)
    with pytest.raises(BadRequest):
        without({"a": {"b": 1}}, path)


def test_a_patch_is_merged_and_changes_neither_side() -> None:
    patch = {"server": {"port": 5}, "hooks": {"before_run": "x"}}
    values = patched(OVERLAY, patch)
    values["hooks"]["before_run"] = "y"
    assert values["server"] == {"port": 5, "host": "a"}
    assert patch["hooks"] == {"before_run": "x"}
    assert OVERLAY["server"] == {"port": 1, "host": "a"}
