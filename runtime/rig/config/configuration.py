"""The configuration in force: layers merged and validated as a whole, with the origin of every key.

A ``Configuration`` never changes: a new overlay makes a new one or is refused with every error, and the last good one stays.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from rig.config import sources
from rig.config.layers import Layer, Origin, leaves, merge
from rig.config.masking import masked, plain_secrets
from rig.config.places import FILE, default_data_dir
from rig.config.sections import Settings
from rig.errors import ConfigError

M = TypeVar("M", bound=BaseModel)
Models = Mapping[str, type[BaseModel]]


@dataclass(frozen=True)
class Configuration:
    """What holds, and why. Read values from ``settings``; ``load`` makes the first one."""

    settings: Settings = field(repr=False)
    data_dir: Path
    file: Path | None
    """The configuration file that was read, None when there was none."""
    layers: tuple[Layer, ...] = field(repr=False)
    setters: Mapping[str, Layer] = field(repr=False)
    provider_models: Models = field(default_factory=dict)
    """Models of the providers that are loaded; tables of others are kept unread."""
    plugin_models: Models = field(default_factory=dict)

    @property
    def overlay(self) -> Mapping[str, Any]:
        """What was changed at run time, alone."""
        return next((layer.values for layer in self.layers if layer.origin == "overlay"), {})

    @property
    def key_file(self) -> Path:
        """Where the master key is."""
        return self._path(self.settings.vault.key_file, "master.key")

    @property
    def workspace_root(self) -> Path:
        """The folder of all workspaces."""
        return self._path(self.settings.workspace.root, "workspaces")

    @property
    def overlay_file(self) -> Path:
        """The overlay's mirror for people."""
        return self.data_dir / "overlay.toml"

    def with_overlay(self, values: Mapping[str, Any]) -> "Configuration":
        """The configuration with ``values`` as its whole overlay; ConfigError lists every error and changes nothing."""
        below = [layer for layer in self.layers if layer.origin not in ("overlay", "command line")]
        above = [layer for layer in self.layers if layer.origin == "command line"]
        overlay = sources.overlay_layer(values)
        candidate = _validated(self, [*below, overlay, *above])
        errors = [
            _error(key, "a secret set at run time goes to the vault; put a reference, $SECRET:NAME", overlay.place)
            for key in plain_secrets(candidate.settings, self.provider_models, self.plugin_models, within=overlay.values)
        ]
        if errors:
            raise _refusal(errors)
        return candidate

    def spelled_secrets(self, values: Mapping[str, Any]) -> list[str]:
        """Dotted keys of secrets that an overlay would spell out; raises ConfigError when it is wrong in any other way."""
        below = [layer for layer in self.layers if layer.origin not in ("overlay", "command line")]
        candidate = _validated(self, [*below, sources.overlay_layer(values)])
        return list(plain_secrets(candidate.settings, self.provider_models, self.plugin_models, within=values))

    def knowing(self, *, providers: Models | None = None, plugins: Models | None = None) -> "Configuration":
        """The same, validated and shown by the models of what is loaded; ConfigError lists every error."""
        known = replace(self, provider_models=dict(providers or {}), plugin_models=dict(plugins or {}))
        return _validated(known, list(self.layers))

    def provider(self, name: str, model: type[M]) -> M:
        """``[providers.<name>]`` as its model; defaults where the table is absent. Raises ConfigError with every error."""
        return _free(self.setters, f"providers.{name}", self.settings.providers.get(name, {}), model)

    def plugin(self, name: str, model: type[M]) -> M:
        """``[plugins.<name>]`` as its model; defaults where the table is absent. Raises ConfigError with every error."""
        return _free(self.setters, f"plugins.{name}", (self.settings.plugins.model_extra or {}).get(name, {}), model)

    def effective(self) -> dict[str, Any]:
        """Every key with its value as JSON, secrets masked; what ``GET /api/v1/config`` shows."""
        return masked(self.settings, self.provider_models, self.plugin_models)

    def provenance(self) -> dict[str, Origin]:
        """Every dotted key with who set it: default, file, environment, overlay or command line."""
        return {key: self.origin(key) for key, _ in leaves(self.effective())}

    def origin(self, key: str) -> Origin:
        """Who set a dotted key."""
        setter = _setter(self.setters, key)
        return setter.origin if setter else "default"

    def schema(self) -> dict[str, Any]:
        """JSON Schema 2020-12 of the whole configuration, with the models of what is loaded."""
        document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()}
        known = {"providers": self.provider_models, "plugins": self.plugin_models}
        for section, models in known.items():
            owner = document["properties"][section] if section == "providers" else document["$defs"]["Plugins"]
            for name, model in models.items():
                own = model.model_json_schema(ref_template=f"#/$defs/{section}.{name}.{{model}}")
                for inner, definition in own.pop("$defs", {}).items():
                    document["$defs"][f"{section}.{name}.{inner}"] = definition
                document["$defs"][f"{section}.{name}"] = own
                owner.setdefault("properties", {})[name] = {"$ref": f"#/$defs/{section}.{name}"}
        return document

    def _path(self, value: str, default: str) -> Path:
        return Path(value).expanduser().absolute() if value else self.data_dir / default


def load(
    *,
    config: Path | None = None,
    data_dir: Path | None = None,
    arguments: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Configuration:
    """The configuration at a start: defaults < file < environment < command line; the overlay comes with ``with_overlay``.

    ``config`` and ``data_dir`` are the command line's and go before RIG_CONFIG and RIG_DATA_DIR. A file that is named must be
    there; ``./rig.toml`` is read when there is one. ``arguments`` has dotted keys, None for what was not given.
    Raises ConfigError, which lists every error.
    """
    environ = os.environ if environ is None else environ
    named = config or (Path(environ["RIG_CONFIG"]) if environ.get("RIG_CONFIG") else None)
    file = named or (Path(FILE) if os.path.lexists(FILE) else None)
    folder = data_dir or (Path(environ["RIG_DATA_DIR"]) if environ.get("RIG_DATA_DIR") else default_data_dir())
    layers = [sources.file_layer(file)] if file else []
    layers += [sources.environment_layer(environ), sources.arguments_layer(arguments or {})]
    start = Configuration(Settings(), folder.expanduser().absolute(), file, (), {})
    return _validated(start, layers)


def _validated(base: Configuration, layers: list[Layer]) -> Configuration:
    values, setters = merge(layers)
    errors = []
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise _refusal(_errors(error, setters, "", Settings)) from None
    candidate = replace(base, settings=settings, layers=tuple(layers), setters=setters)
    tables = (settings.providers, settings.plugins.model_extra or {})
    readers = ((candidate.provider, base.provider_models), (candidate.plugin, base.plugin_models))
    for given, (read, models) in zip(tables, readers, strict=True):
        for name, model in models.items():
            if name not in given:  # what is not configured may miss what it would need
                continue
            try:
                read(name, model)
            except ConfigError as refused:
                errors += refused.details["errors"]
    if errors:
        raise _refusal(errors)
    return candidate


def _free(setters: Mapping[str, Layer], prefix: str, table: Mapping[str, Any], model: type[M]) -> M:
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise _refusal(_errors(error, setters, prefix, model)) from None


def _errors(error: ValidationError, setters: Mapping[str, Layer], prefix: str, model: type[BaseModel]) -> list[dict[str, str]]:
    found = []
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        key = ".".join(filter(None, [prefix, *map(str, detail["loc"])]))
        setter = _setter(setters, key)
        message = _WORDS.get(detail["type"], detail["msg"])
        if detail["type"] == "extra_forbidden":
            message += _meant(model, detail["loc"])
        found.append(_error(key, message, setter.source(key) if setter else ""))
    return found


def _meant(model: type[BaseModel], place: Sequence[str | int]) -> str:
    """Which key is perhaps meant by the last name of ``place``: one of the same table, if one is like it."""
    table: Any = model
    for name in place[:-1]:
        if isinstance(name, int):
            table = next(iter(get_args(table)), None)
        else:
            field = table.model_fields.get(name) if _is_table(table) else None
            table = field.annotation if field else None
    near = get_close_matches(str(place[-1]), table.model_fields, 1) if _is_table(table) else []
    return f", is {near[0]} meant?" if near else ""


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


_WORDS = {
    "extra_forbidden": "there is no such key",
    "missing": "this key is required",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "dict_type": "must be a table",
}
"""Words for people who write TOML, where pydantic's are for people who write Python."""


def _error(key: str, message: str, source: str) -> dict[str, str]:
    return {"path": key, "message": message.removeprefix("Value error, "), "source": source}


def _refusal(errors: list[dict[str, str]]) -> ConfigError:
    lines = [": ".join(filter(None, [e["path"], e["message"]])) + (f" ({e['source']})" if e["source"] else "") for e in errors]
    return ConfigError("the configuration is not valid: " + "; ".join(lines), errors=errors)


def _setter(setters: Mapping[str, Layer], key: str) -> Layer | None:
    """The layer that set ``key``, the table around it or, for a table, something in it."""
    around = key
    while around:
        if around in setters:
            return setters[around]
        around = around.rpartition(".")[0]
    return next((layer for known, layer in setters.items() if known.startswith(f"{key}.")), None)
