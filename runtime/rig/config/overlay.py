"""Changes of the overlay as pure functions; what comes out is a candidate for ``Configuration.with_overlay``."""

from collections.abc import Mapping
from typing import Any

from rig.config.layers import Values, merge_into, nested
from rig.errors import BadRequest, NotFound


def patched(overlay: Mapping[str, Any], patch: Mapping[str, Any]) -> Values:
    """``overlay`` with ``patch`` on top: tables are merged, lists and single values are replaced."""
    values: Values = {}
    merge_into(values, overlay)
    merge_into(values, patch)
    return values


def put(overlay: Mapping[str, Any], path: str, value: Any) -> Values:
    """``overlay`` with one dotted key set; what stood there is gone, a table too. Raises BadRequest for no path."""
    parts = _parts(path)
    below: Any = overlay
    for part in parts:
        below = below.get(part) if isinstance(below, Mapping) else None
    emptied = overlay if below is None else without(overlay, path)
    return patched(emptied, nested({".".join(parts): value}))


def without(overlay: Mapping[str, Any], path: str) -> Values:
    """``overlay`` without one dotted key, or the table of that name; tables left empty go too. Raises NotFound, BadRequest."""
    first, *rest = _parts(path)
    if first not in overlay:
        raise NotFound("the overlay has no such key", path=path)
    kept = {key: value for key, value in overlay.items() if key != first}
    if rest:
        below = overlay[first]
        if not isinstance(below, Mapping):
            raise NotFound("the overlay has no such key", path=path)
        if inner := without(below, ".".join(rest)):
            kept[first] = inner
    return kept


def _parts(path: str) -> list[str]:
    parts = path.split(".")
    if not all(parts):
        raise BadRequest("a path is keys with dots between them, for example server.port", path=path)
    return parts
