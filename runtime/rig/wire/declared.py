"""What a plugin declares of its own operations: shown in the API's description only where that stays valid."""

import graphlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rig.wire.schema import KEYWORDS, Keyword, apart

MAX_BYTES = 64 * 1024
"""Of a declared schema, as JSON."""
MAX_DEPTH = 64
_REF = "#/components/schemas/{}"
_UNNAMED = re.compile(r"[^A-Za-z0-9._-]")


class Undescribable(ValueError):
    """Why a declared schema can't be shown, with the place in it."""


@dataclass(frozen=True, eq=False)
class Added:
    """An operation that a plugin adds, as the description is to show it."""

    plugin: str
    name: str
    method: str
    scope: str
    summary: str
    body: Any = None
    """Schema of a POST's body, one that ``components`` takes; None when it takes none."""


def plain(schema: Any) -> Any:
    """A declared schema as JSON has it. Raises Undescribable."""
    try:
        text = json.dumps(schema, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Undescribable(f"it is no JSON: {error}") from None
    if len(text) > MAX_BYTES:
        raise Undescribable(f"it is longer than {MAX_BYTES} bytes")
    return json.loads(text, parse_float=_whole)


def _whole(text: str) -> float:
    """1.0 is 1, also where a list may not have the same twice."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def components(schema: Any, name: str, free: Callable[[str], str] = str) -> dict[str, Any]:
    """A plain schema, and after it what it defines, as a document's schemas by their names there.

    ``free`` makes a name one that nothing else has. Raises Undescribable.
    """
    defined = schema.get("$defs", {}) if isinstance(schema, dict) else {}
    if not isinstance(defined, dict):
        raise Undescribable("$defs: schemas by name are wanted")
    own = free(_UNNAMED.sub("_", name))
    names = {key: free(_UNNAMED.sub("_", f"{own}.{key}")) for key in defined}
    refs = {f"#/$defs/{key.replace('~', '~0').replace('/', '~1')}": _REF.format(named) for key, named in names.items()}
    refs["#"] = _REF.format(own)
    found = {own: _checked(schema, refs, ())}
    found |= {named: _checked(defined[key], refs, ("$defs", key)) for key, named in names.items()}
    _end(found)
    return found


def _checked(schema: Any, refs: Mapping[str, str], at: tuple[str, ...]) -> Any:
    if isinstance(schema, bool):
        return schema
    if not isinstance(schema, dict) or len(at) > MAX_DEPTH:
        raise _wrong(at, "a schema is wanted" if len(at) <= MAX_DEPTH else "it is too deep")
    found: dict[str, Any] = {}
    for word, value in schema.items():
        place = (*at, word)
        if word in KEYWORDS:
            found[word] = _held(KEYWORDS[word], value, refs, place)
        elif word == "$ref":
            if not isinstance(value, str) or value not in refs:
                raise _wrong(place, "it leads nowhere")
            found[word] = refs[value]
        elif word == "discriminator":
            found[word] = _discriminator(value, refs, place)
        elif word.startswith("$") and word not in ("$defs", "$comment", "$schema"):
            raise _wrong(place, "it cannot be shown")
    if "default" in found:  # one that is not valid itself makes a document invalid
        found.setdefault("examples", [found.pop("default")])
    return apart(found)


def _held(keyword: Keyword, value: Any, refs: Mapping[str, str], at: tuple[str, ...]) -> Any:
    match keyword.holds:
        case "value" if keyword.good(value):
            return value
        case "schema":
            return _checked(value, refs, at)
        case "schemas" if isinstance(value, list) and value:
            return [_checked(one, refs, (*at, str(n))) for n, one in enumerate(value)]
        case "named" if isinstance(value, dict) and keyword.good(value):
            return {name: _checked(one, refs, (*at, name)) for name, one in value.items()}
    raise _wrong(at, f"it may not be {json.dumps(value):.60}")


def _discriminator(value: Any, refs: Mapping[str, str], at: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("propertyName"), str):
        raise _wrong(at, "it names no property")
    mapping = value.get("mapping", {})
    if not isinstance(mapping, dict) or not all(isinstance(ref, str) and ref in refs for ref in mapping.values()):
        raise _wrong(at, "its mapping leads nowhere")
    return {"propertyName": value["propertyName"], **({"mapping": {k: refs[v] for k, v in mapping.items()}} if mapping else {})}


def _wrong(at: tuple[str, ...], why: str) -> Undescribable:
    return Undescribable(f"{'.'.join(at)}: {why}" if at else why)


def _end(found: Mapping[str, Any]) -> None:
    """Raise Undescribable for a schema that is defined by itself alone: a reader of it would never end."""

    def named(schema: Any) -> set[str]:
        if not isinstance(schema, dict):
            return set()
        inner = [one for word in ("allOf", "anyOf", "oneOf") for one in schema.get(word, ())]
        inner += [schema[word] for word in ("not", "if", "then", "else") if word in schema]
        own = {schema["$ref"].rpartition("/")[2]} if "$ref" in schema else set()
        return own.union(*map(named, inner))

    try:
        graphlib.TopologicalSorter({name: named(schema) for name, schema in found.items()}).prepare()
    except graphlib.CycleError as error:
        raise Undescribable(f"a schema is defined by itself alone: {', '.join(error.args[1])}") from None
