"""Which providers of OpenAI-compatible servers there are, and how they are configured."""

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from rig import ConfigError, RigError
from rig.errors import NotFound
from rig.plugin.host import PluginHost
from rig.plugin.settings import PluginSettings
from rig_openai.config import OpenAIConfig

SECRETS = {"$SECRET:MODEL_KEY": "made-up-key"}


def secret(text: str) -> str:
    if text.startswith("$SECRET:") and text not in SECRETS:
        raise NotFound(f"there is no secret {text[8:]}")
    return SECRETS.get(text, text)


def host(**config: Any) -> PluginHost:
    settings = PluginSettings(strict=True, config={"openai": config}, secret=secret)
    made = PluginHost(settings, entries=[EntryPoint("openai", "rig_openai", "rig")])
    made.load()
    return made


def test_there_are_the_known_names_and_those_of_the_configuration() -> None:
    assert set(host().providers) == {"vllm", "gemma", "qwen", "openai"}
    assert set(host(names=["deepseek", "qwen"]).providers) == {"vllm", "gemma", "qwen", "openai", "deepseek"}


def test_a_name_that_no_provider_may_have_is_refused() -> None:
    with pytest.raises(RigError, match=r"names\.0"):
        host(names=["Deep Seek"])


@pytest.mark.parametrize(
    ("name", "base_url", "address"),
    [
        ("qwen", None, "http://127.0.0.1:8000/v1"),
        ("openai", None, "https://api.openai.com/v1"),
        ("openai", "http://models.local:11434/v1/", "http://models.local:11434/v1"),
    ],
)
def test_a_server_is_where_it_is_said_to_be_or_where_it_is_usual(name: str, base_url: str | None, address: str) -> None:
    assert OpenAIConfig(base_url=base_url).address(name) == address


def test_a_key_is_taken_from_the_vault_and_what_is_granted_is_not() -> None:
    provider = host().provider("vllm")
    table = {"api_key": "$SECRET:MODEL_KEY", "env": {"GH_TOKEN": "$SECRET:GH"}}
    config = provider.configure(table)
    assert config.api_key.get_secret_value() == "made-up-key"
    assert config.env == {"GH_TOKEN": "$SECRET:GH"}
    assert "made-up-key" not in repr(config)
    with pytest.raises(NotFound, match="there is no secret OTHER"):
        provider.configure({"api_key": "$SECRET:OTHER"})


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"base_url": "file:///etc/passwd"}, "base_url"),
        ({"base_url": "https://me:made-up-key@models.local/v1"}, "it has a user name in it"),
        ({"base_url": "https://models.local/v1?key=made-up-key"}, "it has a query in it"),
        ({"parameters": {"model": "x", "stream": False}}, "a request says these by itself: model, stream"),
        ({"allowed_tools": ["delete"]}, "allowed_tools"),
        ({"approval": "maybe"}, "approval"),
        ({"attempts": 0}, "attempts"),
    ],
)
def test_a_wrong_key_is_named(table: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault) as raised:
        host().provider("gemma").configure(table)
    assert "made-up-key" not in str(raised.value)


@pytest.mark.parametrize(
    ("config", "needing"),
    [
        ({}, {"write", "edit", "run"}),
        ({"approval": "ask", "allowed_tools": ("edit", "write")}, {"run"}),
        ({"approval": "auto"}, set()),
    ],
)
def test_what_changes_something_needs_permission_unless_it_is_given_beforehand(
    config: dict[str, Any], needing: set[str]
) -> None:
    tools = ("read", "search", "write", "edit", "run")
    assert {tool for tool in tools if OpenAIConfig(**config).needs_permission(tool)} == needing
