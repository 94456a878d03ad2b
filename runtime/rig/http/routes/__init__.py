"""Handlers by the operation that they serve."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from rig.http.ask import Ask
from rig.http.routes import (
    agents,
    assignments,
    docs,
    events,
    health,
    installation,
    issues,
    keys,
    stream,
    traces,
    webhooks,
    work,
)
from rig.wire.operations import OPERATIONS

HANDLERS: dict[str, Callable[[Ask], Awaitable[web.StreamResponse]]] = {
    operation.name: handler
    for operation in OPERATIONS
    for module in (agents, assignments, docs, events, health, installation, issues, keys, stream, traces, webhooks, work)
    if (handler := getattr(module, operation.name, None)) is not None
}
"""A handler is called as its operation."""
