"""The schema of a posted event, from the one vocabulary of ``rig.model.events``; the check itself is ``rig.model.facts``."""

from typing import Any

from rig.model.events import TYPES


def event_schema() -> dict[str, Any]:
    """JSON Schema of one event. Spellings of the type other than UPPER_SNAKE and other letter cases of names are taken too."""
    text, count = {"type": "string"}, {"type": "integer", "minimum": 0}
    return {
        "type": "object",
        "description": "An event of the log; unknown fields are kept with it.",
        "required": ["type"],
        "properties": {
            "type": {"type": "string", "examples": sorted(t.upper for t in TYPES.values() if t.public)},
            "repo": {"type": "string", "examples": ["owner/name"]},
            "issueNumber": {"type": "integer", "minimum": 0, "maximum": 2**53 - 1},
            "identifier": {"type": "string", "examples": ["ENG-123"]},
            "agentId": {"type": "string", "maxLength": 200},
            "title": text,
            "description": text,
            "priority": {"type": ["string", "integer"]},
            "labels": {"type": "array", "items": text},
            "dependsOn": {"type": "array", "items": {"type": ["string", "integer"]}},
            "parent": {"type": ["string", "integer"]},
            "branch": text,
            "model": text,
            "inputTokens": count,
            "outputTokens": count,
            "cacheReadTokens": count,
            "cacheCreationTokens": count,
            "costUsd": {"type": "number", "minimum": 0},
            "category": text,
            "leaseId": text,
            "fence": {"type": "integer"},
        },
        "additionalProperties": True,
    }


def batch_schema() -> dict[str, Any]:
    """JSON Schema of a batch given as an array; NDJSON has one such event a line."""
    return {"type": "array", "items": {"$ref": "#/components/schemas/Event"}, "minItems": 1, "maxItems": 1000}
