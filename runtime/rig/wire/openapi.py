"""OpenAPI 3.1 of the operations, and the same as 3.0.3 for tools that know no newer."""

from typing import Any

import msgspec

from rig.wire.operations import OPERATIONS, SIGNATURE, Operation, Parameter
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


def document(version: str = "3.1") -> dict[str, Any]:
    """The description of the API; ``version`` is 3.0 or 3.1."""
    schemas = _schemas()
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        for number, path in enumerate(operation.paths):
            paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, path, number)
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Rig",
            "version": "1",
            "description": "The control plane for a fleet of coding agents: one log, and its readings.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "rig_<prefix>_<secret>"}},
        },
    }
    if version == "3.0":
        found["openapi"] = "3.0.3"
        del found["info"]["license"]["identifier"]
        downgraded: dict[str, Any] = _older(found)
        return downgraded
    return found


def _schemas() -> dict[str, Any]:
    named = list(answers.SHAPES.items())
    found, components = msgspec.json.schema_components([shape for _, shape in named], ref_template=_REF)
    schemas: dict[str, Any] = dict(components)
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
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "The same key gives the same answer for 24 hours, without a second effect",
                "schema": {"type": "string", "maxLength": 255},
            }
        )
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
    responses["default"] = {
        "description": "Refused, or not possible at the moment",
        "content": {"application/json": {"schema": _ref(error)}, "application/problem+json": {"schema": _ref("Problem")}},
    }
    return responses


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


def _older(value: Any) -> Any:
    """JSON Schema 2020-12 as OpenAPI 3.0 has it: nullable instead of null, one type, enum instead of const, one example."""
    if isinstance(value, list):
        return [_older(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {name: _older(inner) for name, inner in value.items() if not (name == "required" and inner == [])}
    if "const" in found and not isinstance(found["const"], dict):
        found["enum"] = [found.pop("const")]
    if isinstance(found.get("examples"), list):
        examples = found.pop("examples")
        if examples:
            found["example"] = examples[0]
    kinds = found.get("type")
    if isinstance(kinds, list):
        found.pop("type")
        real = [kind for kind in kinds if kind != "null"]
        if len(real) == 1:
            found["type"] = real[0]
        else:
            found["anyOf"] = [{"type": kind} for kind in real]
        if "null" in kinds:
            found["nullable"] = True
    options = found.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        rest = [option for option in options if option != {"type": "null"}]
        found.pop("anyOf")
        if len(rest) == 1 and "$ref" not in rest[0]:
            found |= rest[0]
        else:
            found["allOf" if len(rest) == 1 else "anyOf"] = rest
        found["nullable"] = True
    for bound in ("Minimum", "Maximum"):
        limit = found.pop(f"exclusive{bound}", None)
        if limit is not None:
            found[bound.lower()] = limit
            found[f"exclusive{bound}"] = True
    return found
