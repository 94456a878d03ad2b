"""Tables of the configuration that belong to a plugin or a provider: their secrets, their own keys, their models."""

from collections.abc import Callable, Mapping
from typing import Any

from rig.errors import ConfigError, RigError
from rig.plugin.raised import describe


def revealed(value: Any, secret: Callable[[str], str]) -> Any:
    """A plugin's or provider's table with its secrets instead of the references to them."""
    if isinstance(value, str):
        return secret(value)
    if isinstance(value, Mapping):
        return {key: revealed(inner, secret) for key, inner in value.items()}
    return [revealed(inner, secret) for inner in value] if isinstance(value, list | tuple) else value


def own(table: Mapping[str, Any], model: Any) -> Mapping[str, Any]:
    """A plugin's table without the keys that are Rig's, unless its model knows them (a ``rig.PluginConfig`` does)."""
    known = getattr(model, "model_fields", {})
    return {key: value for key, value in table.items() if key != "isolate" or key in known}


def validated(model: Any, raw: Any, where: str) -> Any:
    """``raw`` as an instance of a pydantic model, None when there is no model. Raises ConfigError with every fault at once."""
    if model is None:
        if raw:
            raise ConfigError(f"[{where}] takes no configuration")
        return None
    from pydantic import ValidationError

    try:
        return model.model_validate(raw)
    except ValidationError as error:
        faults = [
            f"{'.'.join([where, *map(str, e['loc'])])}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise ConfigError("; ".join(faults), errors=faults) from None
    except RigError:
        raise
    except Exception as error:  # validators are the plugin's code
        raise ConfigError(f"[{where}] could not be validated: {describe(error)}") from error
