"""OpenAPI 3.1 of the operations, and the same as 3.0.3 for tools that know no newer."""

from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import Any
from urllib.parse import quote

import msgspec

from rig.wire.declared import Added, components
from rig.wire.operations import OPERATIONS, SIGNATURE, Operation, Parameter
from rig.wire.schema import older
from rig.wire.shapes import answers, events, requests

VERSIONS = ("3.0", "3.1")
_REF = "#/components/schemas/{name}"
_ERROR = {
    "type": "object",
    "required": ["error", "code", "traceId"],
    "properties": {
        "error": {"type": "string"},
        "code": {"type": "string"},
        "traceId": {"type": "string"},
        "details": {"type": "object"},
    },
}
_ERROR_V1 = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "trace_id"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "trace_id": {"type": "string"},
                "details": {"type": "object"},
            },
        }
    },
}
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string"},
        "details": {"type": "object"},
    },
}

_IDEMPOTENCY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key gives the same answer for 24 hours, without a second effect",
    "schema": {"type": "string", "maxLength": 255},
}
_QUERY: dict[str, Any] = {
    "name": "query",
    "in": "query",
    "description": "What the plugin takes as its query",
    "style": "form",
    "explode": True,
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
}


def document(version: str = "3.1", added: Sequence[Added] = ()) -> dict[str, Any]:
    """The description of the API with what plugins add to it; ``version`` is 3.0 or 3.1."""
    schemas = dict(_schemas())
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        for number, path in enumerate(operation.paths):
            paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, path, number)
    for one in added:
        body = components(one.body, f"x.{one.plugin}.{one.name}", _free(schemas)) if one.body is not None else {}
        schemas |= body
        paths[f"/x/{_plugin(one)}/{one.name}"] = {one.method.lower(): _added(one, next(iter(body), None))}
    info: dict[str, Any] = {
        "title": "Rig",
        "version": "1",
        "description": "The control plane for a fleet of coding agents: one log, and its readings.",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    }
    if version == "3.0":
        del info["license"]["identifier"]
        schemas = {name: older(schema) for name, schema in schemas.items()}
    return {
        "openapi": "3.0.3" if version == "3.0" else "3.1.0",
        "info": info,
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "rig_<prefix>_<secret>"}},
        },
    }


@cache
def _schemas() -> dict[str, Any]:
    named = list(answers.SHAPES.items())
    found, shared = msgspec.json.schema_components([shape for _, shape in named], ref_template=_REF)
    schemas: dict[str, Any] = dict(shared)
    schemas |= {name: schema for (name, _), schema in zip(named, found, strict=True) if name not in schemas}
    for name, model in requests.SHAPES.items():
        schema = model.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[f"{name}Body"] = schema
    schemas["Event"] = events.event_schema()
    schemas["EventBatch"] = events.batch_schema()
    return schemas | {"Error": _ERROR, "ErrorV1": _ERROR_V1, "Problem": _PROBLEM}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": _REF.format(name=name)}


def _operation(operation: Operation, path: str, number: int) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in operation.path_parameters
    ]
    parameters += [_parameter(p) for p in operation.query]
    if operation.mutating:
        parameters.append(_IDEMPOTENCY)
    found: dict[str, Any] = {
        "operationId": operation.name if number == 0 else f"{operation.name}_{number + 1}",
        "summary": operation.summary,
        "tags": [operation.tag],
        "security": [{"bearer": []}] if operation.scope not in (None, SIGNATURE) else [],
        "parameters": parameters,
        "responses": _responses(operation, path),
    }
    if operation.scope is not None:
        found["description"] = f"Scope: {operation.scope}"
    if operation.request is not None:
        found["requestBody"] = {"required": not operation.optional_body, "content": _content(operation.request)}
    return found


def _content(request: str) -> dict[str, Any]:
    if request == "EventBatch":
        return {"application/json": {"schema": _ref(request)}, "application/x-ndjson": {"schema": {"type": "string"}}}
    return {"application/json": {"schema": _ref(request if request == "Event" else f"{request}Body")}}


def _responses(operation: Operation, path: str) -> dict[str, Any]:
    error = "ErrorV1" if path.startswith("/api/v1/") else "Error"
    responses: dict[str, Any] = {}
    for status in (operation.status, *operation.also):
        responses[str(status)] = {"description": "No content" if status == 204 else "Done"}
        if status == 204:
            continue
        if operation.raw is not None:
            content = {operation.raw: {"schema": {"type": "string"}}}
        else:
            content = {"application/json": {"schema": _ref(operation.response) if operation.response else {"type": "object"}}}
        responses[str(status)]["content"] = content
    return responses | {"default": _refused(error)}


def _refused(error: str) -> dict[str, Any]:
    return {
        "description": "Refused, or not possible at the moment",
        "content": {"application/json": {"schema": _ref(error)}, "application/problem+json": {"schema": _ref("Problem")}},
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": parameter.kind}
    for name, value in (
        ("enum", list(parameter.enum) or None),
        ("minimum", parameter.minimum),
        ("maximum", parameter.maximum),
        ("default", parameter.default),
    ):
        if value is not None:
            schema[name] = value
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.summary,
        "schema": schema,
    }


def _added(one: Added, body: str | None) -> dict[str, Any]:
    """An operation of a plugin, with the name of its body's schema."""
    found: dict[str, Any] = {
        "operationId": f"x/{_plugin(one)}/{one.name}",
        "summary": one.summary,
        "description": f"Scope: {one.scope}",
        "tags": [f"x/{_plugin(one)}"],
        "security": [{"bearer": []}],
        "parameters": [_QUERY] if one.method == "GET" else [_QUERY, _IDEMPOTENCY],
        "responses": {
            "200": {"description": "Done", "content": {"application/json": {"schema": {}}}},
            "default": _refused("Error"),
        },
    }
    if body is not None:
        found["requestBody"] = {"content": {"application/json": {"schema": _ref(body)}}}
    return found


def _plugin(one: Added) -> str:
    """A plugin's name as a path has it."""
    return quote(one.plugin, safe="", errors="surrogateescape")


def _free(taken: Collection[str]) -> Callable[[str], str]:
    """What makes a name one that neither ``taken`` nor an answer before it is."""
    given: set[str] = set()

    def free(name: str) -> str:
        while name in taken or name in given:
            name += "_"
        given.add(name)
        return name

    return free
