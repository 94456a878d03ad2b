"""The tools that a model has: what they are called, and what they are to be told. Pure."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rig_openai.folder import ToolError

MAX_PATTERN = 1000


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)


class Read(_Arguments):
    """Read a text file, or list a folder."""

    path: str
    """File or folder, relative to the workspace."""
    start: int = Field(1, ge=1)
    """First line, from 1."""
    lines: int = Field(1000, ge=1)
    """How many lines."""


class Search(_Arguments):
    """Find lines in the text files of a folder."""

    pattern: str = Field(min_length=1, max_length=MAX_PATTERN)
    """What to find: a text, or with `regex` a regular expression of Python."""
    path: str = "."
    """Folder or file to search."""
    glob: str = ""
    """Only in files whose name or path matches, such as `*.py`."""
    regex: bool = False
    ignore_case: bool = False


class Write(_Arguments):
    """Make a file, or replace all of it; folders are made."""

    path: str
    content: str
    """The whole content."""


class Edit(_Arguments):
    """Replace a text in a file, which must be there exactly once."""

    path: str
    old: str = Field(min_length=1)
    """The text as it is in the file, with enough around it to be the only one."""
    new: str


class Run(_Arguments):
    """Run a command in the workspace and get its output. Whatever it leaves running is ended."""

    command: str | list[str]
    """Text for bash, or a list of program and arguments."""
    seconds: int = Field(120, ge=1)
    """Longest time that it may take."""


MODELS: dict[str, type[_Arguments]] = {"read": Read, "search": Search, "write": Write, "edit": Edit, "run": Run}

Call = Read | Search | Write | Edit | Run


def tools(without: Collection[str]) -> list[dict[str, Any]]:
    """The ``tools`` of a request."""
    return [_tool(name, model) for name, model in MODELS.items() if name not in without]


def parsed(name: str, arguments: str, without: Collection[str]) -> Call:
    """A call of a tool as the model wrote it. Raises ToolError with words for the model."""
    if name not in MODELS or name in without:
        known = ", ".join(tool for tool in MODELS if tool not in without)
        raise ToolError(f"there is no tool {name[:64]!r}; there are: {known}")
    try:
        data = json.loads(arguments or "{}", strict=False)
    except (ValueError, RecursionError) as error:
        raise ToolError(f"the arguments are not JSON: {error}") from None
    if not isinstance(data, dict):
        raise ToolError("the arguments are not a JSON object")
    try:
        return MODELS[name].model_validate(data)  # type: ignore[return-value]
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise ToolError("; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in found[:5])) from None


def _tool(name: str, model: type[_Arguments]) -> dict[str, Any]:
    properties: Mapping[str, Any] = model.model_json_schema()["properties"]
    shown = {key: {k: v for k, v in schema.items() if k != "title"} for key, schema in properties.items()}
    needed = [key for key, field in model.model_fields.items() if field.is_required()]
    parameters = {"type": "object", "properties": shown, "required": needed}
    return {"type": "function", "function": {"name": name, "description": model.__doc__, "parameters": parameters}}
