"""Whether the server of a provider answers, takes its key and has its model."""

from pathlib import Path
from typing import Any

import pytest

from rig import CheckResult, HealthContext, NothingToCheck, ProviderSetup
from rig_openai.health import ModelServer
from tests.standins.chat import Chat


async def well() -> str | None:
    return None


async def checked(folder: Path, **settings: Any) -> CheckResult | NothingToCheck:
    setups = {"qwen": ProviderSetup(settings)} if settings else {}
    return await ModelServer("qwen").check(HealthContext(well, well, lambda: 0.0, folder, lambda: setups))


async def test_a_provider_that_is_not_set_up_is_not_watched(tmp_path: Path) -> None:
    assert ModelServer("qwen").name == "provider:qwen"
    assert not ModelServer("qwen").critical
    assert await checked(tmp_path) == NothingToCheck()


@pytest.mark.parametrize(
    ("settings", "key", "result"),
    [
        ({}, None, CheckResult()),
        ({"model": "stand-in-1"}, None, CheckResult()),
        ({"model": "another"}, None, CheckResult("Degraded", "the server has no model another")),
        ({}, "made-up", CheckResult("Unreachable", "the server wants a key: providers.qwen.api_key")),
        ({"api_key": "wrong"}, "made-up", CheckResult("Unreachable", "the server refuses the key: providers.qwen.api_key")),
        ({"api_key": "made-up"}, "made-up", CheckResult()),
        ({"api_key": "$SECRET:KEY"}, "made-up", CheckResult()),
    ],
)
async def test_a_server_is_asked_for_its_models(
    tmp_path: Path, settings: dict[str, Any], key: str | None, result: CheckResult
) -> None:
    async with Chat(key=key) as api:
        assert await checked(tmp_path, base_url=api.url, **settings) == result
        assert not api.bodies
        assert not any("SECRET" in (sent or "") for sent in api.keys)


async def test_a_server_that_is_not_there_or_not_well_is_said(tmp_path: Path) -> None:
    async with Chat(models_status=503) as api:
        assert await checked(tmp_path, base_url=api.url) == CheckResult("Unreachable", "http 503")
    assert await checked(tmp_path, base_url=api.url) == CheckResult("Unreachable", "not reached: ClientConnectorError")
