"""Plugins: their state, their last calls, switching them, and the operations that they add."""

from copy import deepcopy
from typing import Any

from aiohttp import web

from rig.errors import Forbidden, MethodNotAllowed, NotFound, PluginError, VersionConflict
from rig.http import longpoll
from rig.http.ask import IDEMPOTENCY_KEY, Ask, outcome
from rig.ids import DEFAULT_TENANT
from rig.model.events import NewEvent, encode
from rig.model.tables import OVERLAY
from rig.plugin.operations import OperationRequest
from rig.store.units import Outcome
from rig.wire import views
from rig.wire.operations import ADMIN, READ, WRITE
from rig.wire.shapes import answers

STREAM = "plugins"
_TRIES = 5
_SCOPES = {"read": READ, "write": WRITE, "admin": ADMIN}


async def list_plugins(ask: Ask) -> web.StreamResponse:
    """``GET /api/v1/plugins``."""
    return ask.answer([views.plugin(record) for record in ask.deps.plugins.records()])


async def list_plugin_calls(ask: Ask) -> web.StreamResponse:
    """``GET /api/v1/plugins/calls``: what ``rig plugin trace`` follows."""
    after, wait = ask.integer("after", 0, 0, 2**53), longpoll.seconds(ask)
    found = await ask.deps.plugins.calls.wait(after, ask.text("plugin"), wait)
    newest = found[-1].n if found else after
    return ask.answer(answers.PluginCalls(calls=[views.plugin_call(call, call.at) for call in found], newest=newest))


async def enable_plugin(ask: Ask) -> web.StreamResponse:
    """``POST /api/v1/plugins/{name}/enable``."""
    return await _switch(ask, on=True)


async def disable_plugin(ask: Ask) -> web.StreamResponse:
    """``POST /api/v1/plugins/{name}/disable``: also after a restart, as the overlay says so."""
    return await _switch(ask, on=False)


async def _switch(ask: Ask, *, on: bool) -> web.StreamResponse:
    name = ask.path("name")
    record = await ask.deps.plugins.switch(name, on, lambda: _say(ask, name, on))
    return await ask.remember(outcome(views.plugin(record)))


async def _say(ask: Ask, name: str, on: bool) -> None:
    """Say it in the log, and in the overlay where it is not so already: what the log refuses has no effect."""
    for _ in range(_TRIES):
        row = ask.deps.store.get(OVERLAY, DEFAULT_TENANT, "overlay")
        values: dict[str, Any] = deepcopy(dict(row.values)) if row is not None else {}
        disabled = set(ask.deps.config.effective()["plugins"]["disabled"])
        wanted = disabled - {name} if on else disabled | {name}
        events = [NewEvent(STREAM, "plugin_switched", encode({"name": name, "enabled": on}))]
        expect = {}
        if wanted != disabled:
            values.setdefault("plugins", {})["disabled"] = sorted(wanted)
            stored = dict(ask.deps.config.candidate(values))
            events.append(NewEvent("config", "config_changed", encode({"overlay": stored})))
            expect = {"config": row.version if row is not None else 0}
        try:
            await ask.record(*events, expect=expect, tenant=DEFAULT_TENANT)
        except VersionConflict:
            continue
        return
    raise VersionConflict("the overlay is being changed by others; try again")


async def query_plugin(ask: Ask) -> web.StreamResponse:
    """``GET /x/{plugin}/{operation}``."""
    return await _call(ask, None)


async def call_plugin(ask: Ask) -> web.StreamResponse:
    """``POST /x/{plugin}/{operation}``."""
    return await _call(ask, await ask.json() if ask.raw else None)


async def _call(ask: Ask, raw: Any) -> web.StreamResponse:
    path = f"{ask.path('plugin')}/{ask.path('operation')}"
    found = ask.deps.plugins.operations.get(path)
    if found is None:
        raise NotFound(f"no plugin adds /x/{path}")
    operation = found.operation
    if ask.operation.method != operation.method:  # a HEAD comes as a GET
        raise MethodNotAllowed(f"/x/{path} is a {operation.method}")
    if not ask.call.may(_SCOPES[operation.scope]):
        raise Forbidden(f"/x/{path} needs the scope {_SCOPES[operation.scope]}")
    query = {key: ask.request.query[key] for key in ask.request.query}
    key = ask.request.headers.get(IDEMPOTENCY_KEY, "").strip('"') or None
    request = OperationRequest(ask.call.tenant, ask.call.principal, query, found.body(raw), key)
    if ask.operation.mutating:
        called = {"plugin": found.plugin, "operation": operation.name}
        await ask.record(NewEvent(STREAM, "plugin_called", encode(called)))
    given = await found.handle(request)
    try:
        body = encode(given)
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise PluginError(f"plugin {found.plugin} answered with what JSON cannot say", plugin=found.plugin) from None
    return await ask.remember(Outcome(200, body)) if ask.operation.mutating else ask.bytes(body)
