"""Where values come from: the file, the environment and the command line, each as a ``Layer``."""

import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr

from rig.config.layers import Layer, Values, nested
from rig.config.sections import Settings
from rig.errors import ConfigError

LARGEST_FILE = 1 << 20
"""Bytes; a larger configuration file is refused unread."""

SEED_VARIABLES = {"PORT": "server.port", "SUBMIT_API_KEYS": "auth.submit_api_keys", "WORKSPACE_DIR": "workspace.root"}
"""Variables that others set too; `RIG__…` goes before them."""

_PREFIX = "RIG__"


def read_file(path: Path) -> bytes:
    """The bytes of a small regular file; ConfigError for anything else, without waiting on a pipe or filling the memory."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {_reason(error)}", path=str(path)) from None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{path}: is not a regular file", path=str(path))
        with os.fdopen(fd, "rb", closefd=False) as file:
            text = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {_reason(error)}", path=str(path)) from None
    finally:
        os.close(fd)
    if len(text) > LARGEST_FILE:
        raise ConfigError(f"{path}: is larger than 1 MiB, which no configuration is", path=str(path))
    return text


def file_layer(path: Path) -> Layer:
    """The values of a TOML file."""
    try:
        values = tomllib.loads(read_file(path).decode())
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text", path=str(path)) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}", path=str(path)) from None
    return Layer("file", values, {}, str(path))


def environment_layer(environ: Mapping[str, str]) -> Layer:
    """``RIG__SECTION__KEY`` for any key; a value is read as the key's type wants it, lists as TOML or with commas."""
    flat: dict[str, str] = {key: name for name, key in SEED_VARIABLES.items() if environ.get(name)}
    for name in sorted(environ):
        if name.startswith(_PREFIX):
            flat[name.removeprefix(_PREFIX).lower().replace("__", ".")] = name
    values = nested({key: _value(environ[name], _type_of(key)) for key, name in flat.items()})
    return Layer("environment", values, flat, "environment")


def arguments_layer(arguments: Mapping[str, Any]) -> Layer:
    """Dotted keys from the command line; None means that the option was not given."""
    flat = {key: value for key, value in arguments.items() if value is not None}
    return Layer("command line", nested(flat), {key: f"--{key.rpartition('.')[2]}" for key in flat}, "command line")


def overlay_layer(values: Mapping[str, Any]) -> Layer:
    """What was changed at run time."""
    return Layer("overlay", values, {}, "overlay")


def _type_of(key: str) -> Any:
    """The annotation of a dotted key, None where a plugin decides or nobody knows it."""
    model: Any = Settings
    for part in key.split("."):
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return None
        field = model.model_fields.get(part)
        if field is None:
            return None
        model = field.annotation
    return model


def _value(text: str, wanted: Any) -> Any:
    if wanted in (str, SecretStr) or (get_args(wanted) and all(isinstance(arg, str) for arg in get_args(wanted))):
        return text
    if get_origin(wanted) is tuple and not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        values: Values = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return values["value"] if values.keys() == {"value"} else text


def _reason(error: Exception) -> str:
    return error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
