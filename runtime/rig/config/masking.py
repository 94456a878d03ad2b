"""What of the configuration may be seen: secrets are told by their type, and in tables nobody has a model for by default."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

from rig.config.addresses import MASK, Address, without_password
from rig.config.layers import leaves
from rig.config.references import is_reference
from rig.config.sections import Settings

Models = Mapping[str, type[BaseModel]]


def masked(settings: Settings, providers: Models, plugins: Models) -> dict[str, Any]:
    """Every key as JSON; references are shown, secrets are not."""
    shown: dict[str, Any] = _shown(settings)
    for section, models in (("providers", providers), ("plugins", plugins)):
        for name, table in _tables(settings, section).items():
            shown[section][name] = _shown_table(table, models.get(name))
    return shown


def plain_secrets(settings: Settings, providers: Models, plugins: Models, *, within: Mapping[str, Any]) -> Iterator[str]:
    """Dotted keys of secrets that ``within`` spells out where a reference should stand."""
    places = {key for key, _ in leaves(within)}
    for key in _spelled(settings, ""):
        if any(key == place or key.startswith(f"{place}.") for place in places):
            yield key
    for section, models in (("providers", providers), ("plugins", plugins)):
        for name, model in models.items():
            table = _tables(settings, section).get(name)
            if table is None or not isinstance(mine := within.get(section, {}), Mapping) or name not in mine:
                continue
            for key in _spelled(model.model_validate(table), f"{section}.{name}."):
                if any(key == place or key.startswith(f"{place}.") for place in places):
                    yield key


def _tables(settings: Settings, section: str) -> Mapping[str, Any]:
    return settings.providers if section == "providers" else (settings.plugins.model_extra or {})


def _shown_table(table: Mapping[str, Any], model: type[BaseModel] | None) -> Any:
    if model is not None:
        try:
            return _shown(model.model_validate(table))
        except ValidationError:
            pass
    return _shown({key: _hidden(value) for key, value in table.items()})


def _hidden(value: Any) -> Any:
    """``value`` with every text in it a secret: what nobody has a model for is not shown."""
    if isinstance(value, str):
        return SecretStr(value)
    if isinstance(value, Mapping):
        return {key: _hidden(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_hidden(inner) for inner in value]
    return value


def _shown(value: Any, key: str = "") -> Any:
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        return text if is_reference(text) or not text else MASK
    if isinstance(value, BaseModel):
        addresses = _addresses(type(value))
        return {
            name: without_password(inner) if name in addresses else _shown(inner, name)
            for name, inner in value
            if inner is not None
        }
    if isinstance(value, Mapping):
        return {str(name): _shown(_hidden(inner) if key == "env" else inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_shown(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _addresses(model: type[BaseModel]) -> set[str]:
    """The keys of a model whose values are URLs that may hold a password."""
    return {name for name, field in model.model_fields.items() if any(isinstance(m, Address) for m in field.metadata)}


def _spelled(value: Any, prefix: str) -> Iterator[str]:
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        if text and not is_reference(text):
            yield prefix.rstrip(".")
    elif isinstance(value, BaseModel | Mapping):
        addresses = _addresses(type(value)) if isinstance(value, BaseModel) else ()
        for name, inner in value.items() if isinstance(value, Mapping) else value:
            if name in addresses and without_password(inner) != inner:
                yield f"{prefix}{name}"
            yield from _spelled(inner, f"{prefix}{name}.")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _spelled(inner, f"{prefix}{index}.")
