"""Handlers by the operation that they serve."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from rig.http.ask import Ask
from rig.http.routes import (
    agents,
    assignments,
    attention,
    costs,
    docs,
    events,
    health,
    installation,
    issues,
    keys,
    plugins,
    reviews,
    stream,
    traces,
    trackers,
    webhooks,
    why,
    work,
)
from rig.wire.operations import OPERATIONS

_MODULES = (
    agents,
    assignments,
    attention,
    costs,
    docs,
    events,
    health,
    installation,
    issues,
    keys,
    plugins,
    reviews,
    stream,
    traces,
    trackers,
    webhooks,
    why,
    work,
)

HANDLERS: dict[str, Callable[[Ask], Awaitable[web.StreamResponse]]] = {
    operation.name: handler
    for operation in OPERATIONS
    for module in _MODULES
    if (handler := getattr(module, operation.name, None)) is not None
}
"""A handler is called as its operation."""
