"""The configuration while the daemon runs: overlay from the log, secrets to the vault, mirror for people."""

import asyncio
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rig.config import load
from rig.errors import ConfigError
from rig.model.events import NewEvent, encode
from rig.reactors.settings import LiveConfiguration
from rig.store.log import Log
from rig.store.memory import open_memory
from rig.store.units import Unit
from rig.vault.sealing import Vault
from rig.vault.secrets import SealedFile


@pytest.fixture
async def store() -> AsyncIterator[Log]:
    store = open_memory()
    yield store
    await store.close()


def live(store: Log, tmp_path: Path) -> LiveConfiguration:
    secrets = SealedFile(Vault(bytes(32)), tmp_path / "secrets.sealed")
    found = LiveConfiguration(load(data_dir=tmp_path, environ={}), store, secrets)
    store.listen(found.hear)
    return found


async def change(store: Log, overlay: object) -> None:
    await store.commit(Unit("default", (NewEvent("config", "config_changed", encode({"overlay": overlay})),)))


async def test_an_overlay_in_the_log_holds_at_once_and_after_a_start_and_is_mirrored(store: Log, tmp_path: Path) -> None:
    now = live(store, tmp_path)
    heard: list[int] = []
    now.on_change(lambda config: heard.append(config.settings.executor.slots))
    await change(store, now.candidate({"executor": {"slots": 7}}))
    assert (now.current.settings.executor.slots, now.version, heard) == (7, 1, [7])
    assert live(store, tmp_path).current.settings.executor.slots == 7
    mirror = tmp_path / "overlay.toml"
    for _ in range(100):
        if mirror.exists():
            break
        await asyncio.sleep(0.01)
    assert tomllib.loads(mirror.read_text())["executor"]["slots"] == 7


async def test_a_wrong_candidate_changes_nothing(store: Log, tmp_path: Path) -> None:
    now = live(store, tmp_path)
    with pytest.raises(ConfigError, match="slots"):
        now.candidate({"executor": {"slots": -1}})
    assert now.current.settings.executor.slots == 4


async def test_a_secret_set_at_run_time_goes_to_the_vault_and_the_overlay_holds_a_reference(store: Log, tmp_path: Path) -> None:
    now = live(store, tmp_path)
    stored = now.candidate({"auth": {"submit_api_keys": ["hunter2-hunter2"]}})
    assert "hunter2" not in str(stored)
    reference = stored["auth"]["submit_api_keys"][0]
    assert (
        SealedFile(Vault(bytes(32)), tmp_path / "secrets.sealed").get("default", reference.removeprefix("$SECRET:"))
        == "hunter2-hunter2"
    )


async def test_an_overlay_that_no_longer_fits_is_left_out(store: Log, tmp_path: Path) -> None:
    await change(store, {"gone": {"key": 1}})
    assert live(store, tmp_path).current.settings.executor.slots == 4
