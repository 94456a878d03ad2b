"""Upcasters: how the body of an event from an older release reads today. The log itself is never rewritten.

A type whose body changes its meaning gets an upcaster for each version it leaves behind; folds know the newest version only.
An event of version 1 says nothing; a newer one says ``{"v": n}`` in its ``meta``.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

UPCASTERS: Mapping[str, tuple[Upcaster, ...]] = {}
"""Event type to its upcasters: the first one reads version 1, the next version 2, and so on. No release has left one behind."""


class _Meta(msgspec.Struct):
    v: int = 1


_decode = msgspec.json.Decoder(_Meta).decode


def current_version(type_: str, upcasters: Mapping[str, tuple[Upcaster, ...]] = UPCASTERS) -> int:
    """The version in which events of a type are written now."""
    return len(upcasters.get(type_, ())) + 1


def upcast(
    type_: str, body: dict[str, Any], meta: bytes = b"{}", upcasters: Mapping[str, tuple[Upcaster, ...]] = UPCASTERS
) -> dict[str, Any]:
    """The body as the newest version of its type would say it."""
    steps = upcasters.get(type_)
    if steps is None:
        return body
    for step in steps[_decode(meta).v - 1 :]:
        body = step(body)
    return body


def stamped(type_: str, meta: bytes, upcasters: Mapping[str, tuple[Upcaster, ...]] = UPCASTERS) -> bytes:
    """``meta`` of a new event, with the version of its type when that is not the first; called by the store's writer."""
    version = current_version(type_, upcasters)
    if version == 1:
        return meta
    return msgspec.json.encode({**msgspec.json.decode(meta), "v": version})
