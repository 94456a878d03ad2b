"""The installation: states, configuration and its overlay."""

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import msgspec
from aiohttp import web

from rig.errors import BadRequest, NotFound, PreconditionFailed, VersionConflict
from rig.http.ask import Ask, outcome
from rig.http.routes import lists
from rig.ids import DEFAULT_TENANT
from rig.model.events import NewEvent, encode
from rig.model.rows import IssueRow
from rig.model.states import OPEN
from rig.model.tables import ISSUES, OVERLAY, Query
from rig.store.port import Snapshot
from rig.store.units import Committed, Outcome
from rig.text import one_line
from rig.wire import views
from rig.wire.shapes import answers, requests

STREAM = "config"
MAX_MODELS = 500
_PATH = re.compile(r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")


async def get_transitions(ask: Ask) -> web.StreamResponse:
    """``GET /api/v1/transitions``."""
    tenant, stream = ask.call.tenant, ask.text("id")
    limit, offset = lists.window(ask)

    def job(snapshot: Snapshot) -> bytes:
        rows: list[IssueRow]
        if stream is not None:
            row = snapshot.get(ISSUES, tenant, stream)
            rows = [row] if row is not None else []
        else:
            query = Query(ISSUES, tenant, (("state", "in", tuple(sorted(OPEN))),), ("repo", "number"), limit, offset)
            rows = [row for _, row in snapshot.page(query)]
        return msgspec.json.encode(views.transition_table(rows, snapshot.as_of(tenant)))

    return ask.bytes(await lists.snapshot(ask, job))


async def list_models(ask: Ask) -> web.StreamResponse:
    """``GET /api/v1/models``."""
    listed = await ask.deps.models(ask.text("provider"))
    models = [
        answers.AvailableModel(id=one_line(m.id), display_name=one_line(m.name or m.id), is_default=m.default)
        for m in listed.models[:MAX_MODELS]
    ]
    reason = one_line(listed.reason) if listed.reason else None
    return ask.answer(answers.Models(provider=listed.provider, models=models, source=listed.source, reason=reason))


async def get_config(ask: Ask) -> web.StreamResponse:
    """``GET /api/v1/config``: what is in force, with where each key comes from."""
    config = ask.deps.config
    _, version = _overlay(ask)
    shown = answers.Config(config=dict(config.effective()), provenance=dict(config.provenance()), version=version)
    return ask.answer(shown, headers={"ETag": f'"{version}"'})


async def get_config_schema(ask: Ask) -> web.StreamResponse:
    """``GET /api/v1/config/schema``."""
    return web.Response(
        body=msgspec.json.encode(dict(ask.deps.config.schema())), headers={"Content-Type": "application/schema+json"}
    )


async def get_overlay(ask: Ask) -> web.StreamResponse:
    """``GET /api/v1/config/overlay``."""
    values, version = _overlay(ask)
    return ask.answer(answers.Overlay(overlay=dict(values), version=version), headers={"ETag": f'"{version}"'})


def _overlay(ask: Ask) -> tuple[Mapping[str, Any], int]:
    row = ask.deps.store.get(OVERLAY, DEFAULT_TENANT, "overlay")
    return (row.values, row.version) if row is not None else ({}, 0)


async def put_overlay(ask: Ask) -> web.StreamResponse:
    """``PUT /api/v1/config/overlay``: the body is the new overlay."""
    body = await ask.body(requests.OverlayValues)
    version = _matched(ask)
    return await _change(ask, body.root, version)


async def patch_overlay(ask: Ask) -> web.StreamResponse:
    """``PATCH /api/v1/config/overlay``: ``{path, value}``, or values to lay over it, null takes out."""
    body = (await ask.body(requests.OverlayPatch)).root
    version = _matched(ask)
    values = deepcopy(dict(_overlay(ask)[0]))
    if set(body) == {"path", "value"}:
        _set(values, body["path"], body["value"])
    else:
        _merge(values, body)
    return await _change(ask, values, version)


async def delete_overlay(ask: Ask) -> web.StreamResponse:
    """``DELETE /api/v1/config/overlay/{path}``."""
    path = ask.path("path")
    version = _matched(ask)
    values = deepcopy(dict(_overlay(ask)[0]))
    if not _PATH.match(path):
        raise BadRequest("the path is dotted, such as dispatch.max_concurrent", field="path")
    if not _unset(values, path.split(".")):
        raise NotFound("the overlay has no such path")
    return await _change(ask, values, version, gone=True)


def _matched(ask: Ask) -> int:
    """The overlay's version; raises PreconditionFailed unless If-Match, when given, names it."""
    _, version = _overlay(ask)
    wanted = ask.request.headers.get("If-Match")
    if wanted is not None and wanted != "*" and f'"{version}"' not in (w.strip() for w in wanted.split(",")):
        raise PreconditionFailed(version=version)
    return version


async def _change(ask: Ask, values: Mapping[str, Any], version: int, *, gone: bool = False) -> web.StreamResponse:
    stored = dict(ask.deps.config.candidate(values))

    def answer(committed: Committed) -> Outcome:
        if gone:
            return Outcome(204, b"")
        return outcome(answers.OverlayChanged(updated=True, overlay=stored, version=version + 1))

    try:
        response = await ask.commit(
            NewEvent(STREAM, "config_changed", encode({"overlay": stored})),
            answer=answer,
            expect={STREAM: version},
            tenant=DEFAULT_TENANT,
        )
    except VersionConflict:
        raise PreconditionFailed("the overlay was changed meanwhile; read it again") from None
    response.headers["ETag"] = f'"{version + 1}"'
    return response


def _set(values: dict[str, Any], path: object, value: Any) -> None:
    if not isinstance(path, str) or not _PATH.match(path):
        raise BadRequest("the path is dotted, such as dispatch.max_concurrent", field="path")
    *tables, last = path.split(".")
    inner = values
    for table in tables:
        below = inner.get(table)
        if not isinstance(below, dict):
            below = inner[table] = {}
        inner = below
    inner[last] = value


def _merge(values: dict[str, Any], patch: Mapping[str, Any]) -> None:
    for key, value in patch.items():
        if value is None:
            values.pop(key, None)
        elif isinstance(value, dict) and isinstance(values.get(key), dict):
            _merge(values[key], value)
        else:
            values[key] = value


def _unset(values: dict[str, Any], path: list[str]) -> bool:
    """Take a path out, and tables that it leaves empty."""
    key, *rest = path
    if key not in values:
        return False
    if not rest:
        del values[key]
        return True
    inner = values[key]
    if not isinstance(inner, dict) or not _unset(inner, rest):
        return False
    if not inner:
        del values[key]
    return True
