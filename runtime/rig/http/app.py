"""The application: every operation bound to its handler, one middleware around them all."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from rig.errors import BadRequest, Conflict, Draining, Forbidden, RigError, Unauthorized
from rig.http import errors
from rig.http.app_keys import KEYRING, METRICS
from rig.http.ask import Ask
from rig.http.audit import Audit
from rig.http.auth import ANONYMOUS, AttemptWithoutKey, Gate, Identity, KeyRing
from rig.http.deps import DEPS, Deps
from rig.http.guard import Guard
from rig.http.headers import TRACE, finish, trace_of
from rig.http.metrics import UNMATCHED, Metrics
from rig.http.routes import HANDLERS, webhooks
from rig.store.port import Batch
from rig.wire.operations import OPERATIONS, SIGNATURE, Operation

log = logging.getLogger("rig.http")

Handler = Callable[[Ask], Awaitable[web.StreamResponse]]
Endpoint = Callable[[web.Request], Awaitable[web.StreamResponse]]


WRITER_DECIDES = frozenset({"post_event", "post_events", "claim_assignment", "steer_issue"})
"""Operations whose repeats the store's writer itself tells apart; twins of the others meet at the edge."""


def make_app(deps: Deps, handlers: Mapping[str, Handler] = HANDLERS) -> web.Application:
    """The whole API over ``deps``. Start it with ``rig.http.server.serve``, or in a test with aiohttp's test server."""
    metrics = Metrics(deps.registry)
    keys = KeyRing(deps.store, deps.tenants)
    gate = Gate(deps.settings, keys, deps.peer_attempt)
    audit = Audit(deps.store, metrics)
    bound = {o.name: _bind(o, handlers[o.name], gate, audit, deps) for o in OPERATIONS}
    names = {endpoint: name for name, endpoint in bound.items()}
    app = web.Application(middlewares=[_edge(deps, Guard(deps.settings), metrics, names)])
    app[DEPS] = deps
    app[METRICS] = metrics
    app[KEYRING] = keys
    for path, methods in _by_path().items():
        resource = app.router.add_resource(path)
        for method, name in methods.items():
            resource.add_route(method, bound[name])
            if method == hdrs.METH_GET:
                resource.add_route(hdrs.METH_HEAD, bound[name])

    async def lifespan(app: web.Application):  # type: ignore[no-untyped-def]
        def hear(batch: Batch) -> None:
            keys.hear(batch)
            deps.bus.publish(batch.events, batch.rows)

        stop = deps.store.listen(hear)
        yield
        deps.bus.close()
        stop()
        await audit.close()

    app.cleanup_ctx.append(lifespan)
    return app


def _by_path() -> dict[str, dict[str, str]]:
    """Path to method to operation, so that a wrong method is told what is allowed."""
    found: dict[str, dict[str, str]] = {}
    for operation in OPERATIONS:
        for path in operation.paths:
            found.setdefault(path, {})[operation.method] = operation.name
    return found


def _bind(operation: Operation, handler: Handler, gate: Gate, audit: Audit, deps: Deps) -> Endpoint:
    """Authorise, load the body, tell repeats apart, handle; and record what is refused."""
    mutating = operation.mutating
    at_edge = mutating and operation.name not in WRITER_DECIDES
    in_flight: set[str] = set()

    async def once(ask: Ask, scope: str) -> web.StreamResponse:
        """Handle a request with an Idempotency-Key, or answer as the first time."""
        if scope in in_flight:
            raise Conflict("the same request is being handled")
        known = ask.known_outcome()
        if known is not None:
            return ask.replay(known)
        in_flight.add(scope)
        try:
            return await handler(ask)
        finally:
            in_flight.discard(scope)

    async def endpoint(request: web.Request) -> web.StreamResponse:
        trace = request[TRACE]
        identity: Identity = ANONYMOUS
        try:
            identity = gate.identify(request, operation)
            call = gate.authorize(identity, operation, request, trace)
            ask = Ask(request, deps, operation, identity, call)
            if operation.scope == SIGNATURE:
                webhooks.admit(ask)
            if mutating:
                if deps.bus.closed:
                    raise Draining
                await ask.load()
                if at_edge and ask.call.idempotency_scope is not None:
                    return await once(ask, ask.call.idempotency_scope)
            elif request.body_exists:
                raise BadRequest("a body makes no sense here")
            return await handler(ask)
        except Forbidden as error:
            if identity is ANONYMOUS:
                audit.stranger()
            else:
                await audit.refused(identity.tenant or "default", identity.principal, operation.name, error, trace)
            raise
        except AttemptWithoutKey as error:
            await audit.refused("default", f"attempt:{error.execution}", operation.name, error, trace)
            raise
        except Unauthorized:
            audit.stranger()
            raise

    endpoint.__name__ = operation.name
    return endpoint


def _edge(deps: Deps, guard: Guard, metrics: Metrics, names: Mapping[Endpoint, str]) -> Middleware:
    fresh, observe = deps.ids.uuid, metrics.requests.observe

    @web.middleware
    async def edge(request: web.Request, handler: Endpoint) -> web.StreamResponse:
        """Trace id in, guard, errors and headers out: the one middleware."""
        began = perf_counter()
        trace = request[TRACE] = trace_of(request, fresh)
        name = names.get(handler, UNMATCHED)
        response: web.StreamResponse
        try:
            guard.check(request)
            response = await handler(request)
        except RigError as error:
            response = errors.answer(error, trace, request.path, request.headers.get(hdrs.ACCEPT, ""))
        except web.HTTPException as refusal:
            response = _refused(request, refusal, trace)
        except ConnectionError as error:
            if request.transport is None or request.transport.is_closing():
                raise
            response = errors.answer(errors.from_bug(error, trace, name), trace, request.path)
        except Exception as error:  # noqa: BLE001  # the last resort: a defect is logged and answered (I36)
            if request._payload_writer is not None and request._payload_writer.output_size > 0:
                errors.from_bug(error, trace, name)
                raise ConnectionResetError("the stream broke") from None
            accept = request.headers.get(hdrs.ACCEPT, "")
            response = errors.answer(errors.from_bug(error, trace, name), trace, request.path, accept)
        if not response.prepared:
            finish(response, trace)
        observe(name, response.status, perf_counter() - began)
        return response

    return edge


def _refused(request: web.Request, refusal: web.HTTPException, trace: str) -> web.StreamResponse:
    allow = refusal.headers.get(hdrs.ALLOW)
    if refusal.status == 405 and allow is not None:
        allow = ", ".join(sorted({*allow.split(","), "OPTIONS"}))
        if request.method == hdrs.METH_OPTIONS:
            return web.Response(status=204, headers={hdrs.ALLOW: allow})
    error = errors.from_http(refusal)
    return errors.answer(error, trace, request.path, request.headers.get(hdrs.ACCEPT, ""), allow)
