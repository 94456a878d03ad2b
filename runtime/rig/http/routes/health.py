"""Whether Rig lives, works and is well; metrics; the description of the API."""

import json
from functools import lru_cache

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from rig.clock import iso
from rig.errors import BadRequest, NotReady
from rig.http.ask import Ask
from rig.http.auth import ANONYMOUS
from rig.model.health import http_status
from rig.wire import openapi
from rig.wire.declared import Added
from rig.wire.shapes import answers


async def get_health(ask: Ask) -> web.StreamResponse:
    """``GET /health``: 200 as long as the process answers at all (R0-13)."""
    return ask.answer(answers.Health(status="ok", timestamp=iso(ask.deps.clock.now())))


async def get_ready(ask: Ask) -> web.StreamResponse:
    """``GET /ready``: 503 while replaying, draining or with a damaged log."""
    reason = "draining" if ask.deps.bus.closed else ask.deps.ready()
    if reason is None and not ask.deps.store.writable:
        reason = "log_corrupt"
    if reason is not None:
        raise NotReady(f"not ready: {reason}", reason=reason)
    return ask.answer(answers.Ready(status="ok"))


async def get_deep_health(ask: Ask) -> web.StreamResponse:
    """``GET /healthz/deep``: every dependency; reasons are for those who are known."""
    report = await ask.deps.health()
    anonymous = ask.identity is ANONYMOUS
    shown = answers.DeepHealth(
        overall=report.overall,
        dependencies=[
            answers.DependencyHealth(
                name=d.name,
                status=d.status,
                critical=d.critical,
                reason="redacted" if d.reason is not None and anonymous else d.reason,
                latency_ms=d.latency_ms,
                last_check_at=iso(d.last_check_at),
            )
            for d in report.dependencies
        ],
        checked_at=iso(report.checked_at),
    )
    return ask.answer(shown, http_status(report.overall))


async def get_metrics(ask: Ask) -> web.StreamResponse:
    """``GET /metrics``."""
    return web.Response(body=generate_latest(ask.deps.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


@lru_cache(4)
def _document(version: str, added: tuple[Added, ...]) -> bytes:
    return json.dumps(openapi.document(version, added)).encode()


async def get_openapi(ask: Ask) -> web.StreamResponse:
    """``GET /api/v1/openapi.json``: what plugins add is for those who are known."""
    version = ask.request.query.get("version", "3.1")
    if version not in openapi.VERSIONS:
        raise BadRequest(f"version must be one of: {', '.join(openapi.VERSIONS)}", field="version")
    added = () if ask.identity is ANONYMOUS else tuple(o.added for o in ask.deps.plugins.operations.values() if o.added)
    return ask.bytes(_document(version, added), headers={"Cache-Control": "no-cache"})
