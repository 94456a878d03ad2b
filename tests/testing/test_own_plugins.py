"""Rig's own plugins are held to the contracts that it gives to authors of others: those of every kind that each is of."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from rig.testing.plugin import PluginContract
from rig.testing.results import checks
from rig.testing.subject import Subject
from rig.testing.suite import Suite
from rig.testing.suites import KINDS

PLUGINS = sorted({e.value for e in entry_points(group="rig") if e.dist is not None and e.dist.name == "rigtui"})

GIVEN: Mapping[str, Mapping[str, Any]] = {
    "rig_command": {"provider_config": {"command": "cat >/dev/null; echo done"}},
    "rig_claude": {"provider_config": {"command": "no-such-program-of-claude"}},
    "rig_codex": {"provider_config": {"command": "no-such-program-of-codex"}},
    "rig_files": {"config": {"folder": str(Path(__file__).parents[1] / "fixtures" / "board")}},
    "rig_genai_prices": {
        "models": ["claude-sonnet-4-5"],
        "queries": {"price": {"model": "claude-sonnet-4-5"}},
        "calls": [["price", "claude-sonnet-4-5"]],
    },
    "rig_github": {"config": {"repositories": ["acme/app"], "api_url": "http://127.0.0.1:9"}},
    "rig_linear": {"config": {"api_key": "k", "endpoint": "http://127.0.0.1:9"}},
    "rig_steps": {"params": {}},
}
"""What the suites are told of a plugin, as its author would."""
ELSEWHERE = frozenset({"rig_claude", "rig_codex", "rig_openai"})
"""Providers whose ordinary session needs a program or a server of others; tests/plugins has both."""


def cases() -> Iterator[Any]:
    for plugin in PLUGINS:
        hooks = set(Subject(import_module(plugin)).loaded.hooks)
        suites: list[type[Suite]] = [PluginContract]
        suites += [suite for kind in KINDS if kind.hooks & hooks for suite in (kind.contract, kind.faults)]
        for suite in suites:
            for name in checks(suite):
                yield pytest.param(plugin, suite, name, id=f"{plugin}-{suite.__name__}-{name.removeprefix('test_')}")


@pytest.mark.parametrize(("plugin", "suite", "name"), list(cases()))
def test_a_plugin_of_rigs_own_keeps_the_contract(plugin: str, suite: type[Suite], name: str) -> None:
    if plugin in ELSEWHERE and name == "test_an_ordinary_session_ends_well":
        pytest.skip("tried with the real program in tests/plugins")
    held = type("Held", (suite,), {"plugin": plugin, **GIVEN.get(plugin, {})})
    getattr(held(), name)()


def test_every_kind_of_plugin_is_among_rigs_own() -> None:
    hooks = {hook for plugin in PLUGINS for hook in Subject(import_module(plugin)).loaded.hooks}
    assert [kind.name for kind in KINDS if not kind.hooks & hooks] == []
