"""One-file plugins of a folder are plugins like any other."""

from pathlib import Path

import pytest

from rig.errors import ConfigError
from rig.plugin.host import PluginHost
from rig.plugin.settings import PluginSettings

GOOD = """
from rig import CheckResult, hookimpl

class Always:
    name, critical = "always", False
    async def check(self, context):
        return CheckResult()

@hookimpl
def rig_register_health_checkers(context):
    return [Always()]
"""


def test_files_are_loaded_and_a_broken_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "broken.py").write_text("raise RuntimeError('no')")
    (tmp_path / "_helper.py").write_text("raise RuntimeError('never imported')")
    host = PluginHost(PluginSettings(folder=tmp_path), entries=[])
    host.load()
    assert [(r.name, r.state, r.hooks) for r in host.records()] == [
        ("broken", "load_error", ()),
        ("good", "enabled", ("rig_register_health_checkers",)),
    ]


def test_a_folder_that_is_not_there_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        PluginHost(PluginSettings(folder=tmp_path / "none"), entries=[]).load()
