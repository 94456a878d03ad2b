"""What an operation's parameters become on the wire: path, query and body. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from rig.errors import BadRequest
from rig.wire.operations import BY_NAME, Operation

UNSET: Any = object()
"""Says that no whole body is given."""


def typed(words: Iterable[str], is_text: Callable[[str], bool]) -> dict[str, Any]:
    """``KEY=VALUE`` words, as people type them; a value that is JSON counts as such, but of keys that ``is_text``. Raises BadRequest."""
    given: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise BadRequest(f"{word} is not KEY=VALUE")
        given[name] = value if is_text(name) else _value(value)
    return given


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def operation_named(name: str) -> Operation:
    """The operation of that id. Raises BadRequest that names the nearest ones."""
    found = BY_NAME.get(name)
    if found is None:
        from difflib import get_close_matches

        near = get_close_matches(name, BY_NAME, 3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`rig api` lists them"
        raise BadRequest(f"there is no operation {name}; {hint}")
    return found


def parts(operation: Operation, params: Mapping[str, Any], body: Any = UNSET) -> tuple[str, dict[str, str], Any]:
    """(path, query, body or UNSET) of a call. None counts as not given. Raises BadRequest for what is missing or unknown.

    What is neither in the path nor in the query goes into the body, where the operation takes one.
    """
    left = {name: value for name, value in params.items() if value is not None}
    path = operation.paths[0]
    for name in operation.path_parameters:
        if left.get(name, "") == "":
            raise BadRequest(f"{operation.name} needs {name}")
        path = path.replace(f"{{{name}}}", quote(str(left.pop(name)), safe=""))
    query = {p.name: _text(left.pop(p.name)) for p in operation.query if p.name in left}
    if operation.open_query:
        query |= {name: _text(left.pop(name)) for name in list(left)}
    missing = [p.name for p in operation.query if p.required and p.name not in query]
    if missing:
        raise BadRequest(f"{operation.name} needs {', '.join(missing)}")
    if operation.request is None and (left or body is not UNSET):
        known = [*operation.path_parameters, *(p.name for p in operation.query)]
        raise BadRequest(f"{operation.name} takes {', '.join(known) or 'no parameters'}, not {', '.join(left) or 'a body'}")
    if body is not UNSET and left:
        raise BadRequest(f"{operation.name} has a whole body already; {', '.join(left)} can't be added")
    if body is UNSET and operation.request is not None and (left or not operation.optional_body):
        body = left
    return path, query, body


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
