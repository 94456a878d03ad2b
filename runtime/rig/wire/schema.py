"""The keywords of JSON Schema 2020-12, and how OpenAPI 3.0 says the same."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
_NULL = {"type": "null"}


@dataclass(frozen=True)
class Keyword:
    """What may stand behind a keyword."""

    holds: Literal["value", "schema", "schemas", "named"] = "value"
    """A plain value, a schema, a list of schemas, or schemas by name."""
    good: Callable[[Any], bool] = lambda value: True
    old: bool = True
    """Whether OpenAPI 3.0 knows it by the same meaning."""


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _unique(value: Any) -> bool:
    """A list with nothing twice; true is not 1."""
    if not isinstance(value, list):
        return False
    told = [json.dumps(one, sort_keys=True) for one in value]
    return len(set(told)) == len(told)


def _texts(value: Any) -> bool:
    return _unique(value) and all(map(_text, value))


def _pattern(value: Any) -> bool:
    try:
        re.compile(value)
    except (re.error, TypeError, RecursionError, OverflowError):
        return False
    return True


def _type(value: Any) -> bool:
    return value in TYPES if isinstance(value, str) else bool(value) and _texts(value) and set(value) <= set(TYPES)


_A_TEXT, _A_FLAG, _A_NUMBER, _A_COUNT = (Keyword(good=good) for good in (_text, _flag, _number, _count))
_SCHEMA, _SCHEMAS = Keyword("schema"), Keyword("schemas")

KEYWORDS: Mapping[str, Keyword] = {
    "title": _A_TEXT,
    "description": _A_TEXT,
    "type": Keyword(good=_type),
    "enum": Keyword(good=lambda value: bool(value) and _unique(value)),
    "const": Keyword(old=False),
    "default": Keyword(),
    "examples": Keyword(good=lambda value: isinstance(value, list), old=False),
    "format": _A_TEXT,
    "pattern": Keyword(good=_pattern),
    "minLength": _A_COUNT,
    "maxLength": _A_COUNT,
    "minimum": _A_NUMBER,
    "maximum": _A_NUMBER,
    "exclusiveMinimum": Keyword(good=_number, old=False),
    "exclusiveMaximum": Keyword(good=_number, old=False),
    "multipleOf": Keyword(good=lambda value: _number(value) and value > 0),
    "items": _SCHEMA,
    "prefixItems": Keyword("schemas", old=False),
    "contains": Keyword("schema", old=False),
    "minContains": Keyword(good=_count, old=False),
    "maxContains": Keyword(good=_count, old=False),
    "minItems": _A_COUNT,
    "maxItems": _A_COUNT,
    "uniqueItems": _A_FLAG,
    "properties": Keyword("named"),
    "patternProperties": Keyword("named", lambda value: all(map(_pattern, value)), old=False),
    "additionalProperties": _SCHEMA,
    "propertyNames": Keyword("schema", old=False),
    "required": Keyword(good=_texts),
    "minProperties": _A_COUNT,
    "maxProperties": _A_COUNT,
    "dependentSchemas": Keyword("named", old=False),
    "allOf": _SCHEMAS,
    "anyOf": _SCHEMAS,
    "oneOf": _SCHEMAS,
    "not": _SCHEMA,
    "if": Keyword("schema", old=False),
    "then": Keyword("schema", old=False),
    "else": Keyword("schema", old=False),
    "unevaluatedItems": Keyword("schema", old=False),
    "unevaluatedProperties": Keyword("schema", old=False),
    "deprecated": _A_FLAG,
    "readOnly": _A_FLAG,
    "writeOnly": _A_FLAG,
}
"""All but those that refer to other schemas, and those that say nothing of what is valid."""


def older(schema: Any) -> Any:
    """A schema as OpenAPI 3.0 has it: nullable instead of null, one type, enum instead of const, one example; what it cannot say is left out."""
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    found: dict[str, Any] = {word: schema[word] for word in ("$ref", "discriminator") if word in schema}
    for word, value in schema.items():
        if word in KEYWORDS and KEYWORDS[word].old and not (word == "required" and value == []):
            found[word] = value if word == "additionalProperties" and isinstance(value, bool) else _older(KEYWORDS[word], value)
    if "const" in schema:
        found["enum"] = [schema["const"]]
    if schema.get("examples"):
        found["example"] = schema["examples"][0]
    for bound in ("Minimum", "Maximum"):
        if f"exclusive{bound}" in schema:
            found |= {bound.lower(): schema[f"exclusive{bound}"], f"exclusive{bound}": True}
    _typed(found, schema)
    if found.get("type") == "array":
        found.setdefault("items", {})
    return apart(found)


def apart(schema: dict[str, Any]) -> dict[str, Any]:
    """The same in which nothing is required beside an ``allOf``: validators look for its properties there, and see no reference."""
    if "allOf" in schema and "required" in schema:
        required = schema.pop("required")
        schema["allOf"] = [*schema["allOf"], {"required": required}]
    return schema


def _older(keyword: Keyword, value: Any) -> Any:
    match keyword.holds:
        case "schema":
            return older(value)
        case "schemas":
            return [older(one) for one in value]
        case "named":
            return {name: older(one) for name, one in value.items()}
    return value


def _typed(found: dict[str, Any], schema: Mapping[str, Any]) -> None:
    """Say with ``nullable`` what 2020-12 says with the type null."""
    kinds = schema.get("type", ())
    options = schema.get("anyOf", ())
    if _NULL in options:
        rest = [older(option) for option in options if option != _NULL]
        del found["anyOf"]
        if len(rest) == 1 and "$ref" not in rest[0]:
            found |= rest[0]
        elif rest:
            found["allOf" if len(rest) == 1 else "anyOf"] = rest
        found["nullable"] = True
    if isinstance(kinds, list):
        real = [kind for kind in kinds if kind != "null"]
        del found["type"]
        if len(real) == 1:
            found["type"] = real[0]
        elif real:
            either = [{"type": kind} for kind in real]
            found |= {"allOf": [*found.get("allOf", ()), {"anyOf": either}]} if "anyOf" in found else {"anyOf": either}
    if "null" in kinds:
        found["nullable"] = True
    if kinds in ("null", ["null"]):
        found.pop("type", None)
        found["enum"] = [None]
