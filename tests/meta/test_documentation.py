"""What a reader is told is what the code says: configuration, events, errors, routes, hooks."""

import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from rig import PluginConfig, ProviderConfig, errors
from rig.config.sections import Settings, WebhookSource
from rig.model.events import TYPES
from rig.plugin import hookspecs
from rig.wire.operations import OPERATIONS


@pytest.fixture(scope="module")
def docs(repository: Path) -> Path:
    return repository / "docs"


def shown(value: Any) -> str:
    if value is None:
        return "unset"
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"


def sections() -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield name, field.annotation
    yield "webhook_sources", WebhookSource


def test_every_key_of_the_configuration_is_documented_with_its_default(docs: Path) -> None:
    text = (docs / "configuration.md").read_text()
    expected = []
    for section, model in sections():
        assert model.__doc__, f"[{section}] says nothing of itself"
        for key, field in model.model_fields.items():
            assert field.description, f"{section}.{key} says nothing of itself"
            default = "required" if field.is_required() else shown(field.default)
            expected.append(f"| `{section}.{key}` | {default} | {field.description} |")
    assert [line for line in expected if line not in text] == []


def test_every_key_in_the_repositorys_file_has_its_meaning_above_it(repository: Path) -> None:
    lines = (repository / "rig.toml").read_text().splitlines()
    for section, model in sections():
        for key, field in model.model_fields.items():
            if section != "webhook_sources":
                assert f"# {field.description}" == lines[lines.index(f"[{section}]") :][_place(lines, section, key) - 1]


def _place(lines: list[str], section: str, key: str) -> int:
    below = lines[lines.index(f"[{section}]") :]
    return next(index for index, line in enumerate(below) if line.startswith(f"{key} ="))


def plugin_models() -> Iterator[tuple[str, type[BaseModel]]]:
    for point in entry_points(group="rig"):
        package = importlib.import_module(point.module)
        if not point.module.startswith("rig_") or not hasattr(package, "__path__"):
            continue
        for info in pkgutil.walk_packages(package.__path__, f"{point.module}."):
            for _, found in inspect.getmembers(importlib.import_module(info.name), inspect.isclass):
                for base, section in ((ProviderConfig, "providers"), (PluginConfig, "plugins")):
                    if issubclass(found, base) and found.__module__ == info.name:
                        yield f"{section}.{point.name}", found


def test_every_key_of_a_plugin_is_documented_with_its_default(docs: Path) -> None:
    text = (docs / "configuration.md").read_text()
    expected = []
    for section, model in plugin_models():
        for key, field in model.model_fields.items():
            assert field.description, f"{section}.{key} says nothing of itself"
            place = "plugins.NAME" if section.startswith("plugins.") and key in PluginConfig.model_fields else section
            default = "required" if field.is_required() else shown(field.get_default(call_default_factory=True))
            expected.append(f"| `{place}.{key}` | {default} |")
    assert len(expected) > 10
    assert [line for line in expected if line not in text] == []


def test_every_type_of_event_is_documented_with_what_it_needs(docs: Path) -> None:
    rows = [line for line in (docs / "events.md").read_text().splitlines() if line.startswith("| `")]
    expected = [f"| `{event.name}` | {', '.join(event.requires) or '–'} |" for event in TYPES.values()]
    assert [start for start in expected if not any(row.startswith(start) for row in rows)] == []
    assert len(rows) == len(expected)


def error_classes(base: type[errors.RigError] = errors.RigError) -> Iterator[type[errors.RigError]]:
    yield base
    for below in base.__subclasses__():
        if below.__module__ == "rig.errors":
            yield from error_classes(below)


def test_every_code_of_an_error_is_documented_with_its_statuses(docs: Path) -> None:
    text = (docs / "errors.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    classes = [found for found in error_classes() if found is not errors.RigError]
    expected = [f"| `{c.code}` | {c.http_status} | {c.exit_code} | {c.retry_after or '–'} |" for c in classes]
    assert [start for start in expected if not any(row.startswith(start) for row in rows)] == []
    assert len(rows) == len(set(expected))


def test_every_route_is_documented(docs: Path) -> None:
    rows = [line for line in (docs / "api.md").read_text().splitlines() if line.startswith("| `")]
    expected = []
    for operation in OPERATIONS:
        paths = "<br>".join(f"`{path}`" for path in operation.paths)
        needs = operation.scope or "nothing"
        expected.append(f"| `{operation.name}` | {operation.method} | {paths} | {needs} | {operation.summary} |")
    assert [row for row in expected if row not in rows] == []
    assert len(rows) == len(expected)


def test_every_hook_is_documented_with_its_context(docs: Path) -> None:
    rows = [line for line in (docs / "plugins.md").read_text().splitlines() if line.startswith("| [`rig_")]
    hooks = {name: found for name, found in inspect.getmembers(hookspecs, inspect.isfunction) if name.startswith("rig_")}
    expected = [
        f"| [`{name}`](plugins/{name}.md) | `{hook.__annotations__['context'].__name__}` |" for name, hook in hooks.items()
    ]
    assert [start for start in expected if not any(row.startswith(start) for row in rows)] == []
    assert len(rows) == len(expected)


def test_every_hook_has_a_plugin_that_uses_it() -> None:
    used = {name for point in entry_points(group="rig") for name in dir(importlib.import_module(point.module))}
    assert {name for name in dir(hookspecs) if name.startswith("rig_")} <= used


def test_no_key_of_the_configuration_is_without_effect(repository: Path) -> None:
    root = repository / "runtime" / "rig"
    code = "\n".join(path.read_text() for path in root.rglob("*.py") if path.parent != root / "config")
    code += (root / "config" / "configuration.py").read_text()
    keys = [(section, key) for section, model in sections() for key in model.model_fields]
    assert [f"{section}.{key}" for section, key in keys if f".{key}" not in code and f'"{key}"' not in code] == []
