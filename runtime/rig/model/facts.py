"""Facts: events that clients post. Turns a JSON object into a checked event of a known stream, or says what is wrong."""

import math
from collections.abc import Callable
from typing import Any

import msgspec

from rig.errors import BadRequest, UnknownEventType, Unprocessable
from rig.model import identity
from rig.model.events import EventType, event_type

_FIELDS = [
    "type",
    "repo",
    "issueNumber",
    "identifier",
    "agentId",
    "title",
    "description",
    "url",
    "priority",
    "labels",
    "dependsOn",
    "parent",
    "milestone",
    "attempt",
    "reason",
    "branch",
    "prNumber",
    "prUrl",
    "mergeSha",
    "model",
    "inputTokens",
    "outputTokens",
    "cacheReadTokens",
    "cacheCreationTokens",
    "cacheCreation1hTokens",
    "costUsd",
    "category",
    "tenantId",
    "leaseId",
    "fence",
    "executionId",
    "durationMinutes",
    "durationMs",
    "exitCode",
    "status",
    "currentIssue",
    "currentRepo",
    "activeProvider",
    "availableProviders",
    "providers",
    "integrations",
    "failedChecks",
    "logs",
    "passedCount",
    "totalCount",
    "failedCount",
    "firstFailure",
    "runUrl",
    "browser",
    "maxRetries",
    "attempts",
    "scope",
    "kind",
    "memoryId",
    "tokens",
    "query",
    "hits",
    "tokensLoaded",
    "usedInOutput",
    "uptimeSeconds",
    "memoryMB",
    "errorCount",
    "startup",
    "degraded",
    "degradedReasons",
]
_CANONICAL = {name.lower(): name for name in _FIELDS} | {name: name for name in _FIELDS}

MAX_DEPENDENCIES = 100
MAX_TOKENS = 10**10
"""Of one kind in one event; a sum of 900 million such lines still fits a 64-bit column."""
MAX_COST_USD = 10**6


class Fact(msgspec.Struct, frozen=True):
    """A checked event, ready to be appended to its stream whatever the stream's version."""

    stream: str
    type: EventType
    body: dict[str, Any]
    lease: tuple[str, int] | None = None
    """(lease id, fence) that came along; a stale one refuses the fact."""


def _text(name: str, value: Any, limit: int = 1000) -> None:
    if not isinstance(value, str) or len(value) > limit:
        raise BadRequest(f"{name} must be a text of at most {limit} characters", field=name)


def _long_text(name: str, value: Any) -> None:
    _text(name, value, 262_144)


def _count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_TOKENS:
        raise BadRequest(f"{name} must be a whole number from 0 to {MAX_TOKENS}", field=name)


def _cost(name: str, value: Any) -> None:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or not 0 <= value <= MAX_COST_USD
    ):
        raise BadRequest(f"{name} must be a number from 0 to {MAX_COST_USD}", field=name)


def _integer(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadRequest(f"{name} must be a whole number", field=name)


def _texts(name: str, value: Any) -> None:
    if not isinstance(value, list) or len(value) > 100 or not all(isinstance(v, str) and len(v) <= 200 for v in value):
        raise BadRequest(f"{name} must be a list of at most 100 texts", field=name)


def _objects(name: str, value: Any) -> None:
    if not isinstance(value, list) or len(value) > 100 or not all(isinstance(v, dict) for v in value):
        raise BadRequest(f"{name} must be a list of objects", field=name)


def _status(name: str, value: Any) -> None:
    if value not in ("idle", "working", "stuck"):
        raise BadRequest(f"{name} must be one of: idle, working, stuck", field=name)


_CHECKS: dict[str, Callable[[str, Any], None]] = {
    "title": _text,
    "description": _long_text,
    "url": _text,
    "labels": _texts,
    "branch": _text,
    "reason": _long_text,
    "model": _text,
    "category": _text,
    "tenantId": _text,
    "prNumber": _integer,
    "prUrl": _text,
    "attempt": _integer,
    "inputTokens": _count,
    "outputTokens": _count,
    "cacheReadTokens": _count,
    "cacheCreationTokens": _count,
    "cacheCreation1hTokens": _count,
    "costUsd": _cost,
    "leaseId": _text,
    "fence": _integer,
    "executionId": _text,
    "availableProviders": _texts,
    "providers": _objects,
    "integrations": _objects,
    "activeProvider": _text,
}
_OPTIONAL_NONE = frozenset(_CHECKS) | {"parent", "milestone", "dependsOn", "priority", "identifier", "repo", "issueNumber"}


def parse(payload: object) -> Fact:
    """The fact that a posted JSON object states; field names in any letter case, unknown fields kept (conventions §4).

    Raises UnknownEventType, BadRequest naming the field, Unprocessable for a dependency on itself.
    """
    if not isinstance(payload, dict):
        raise BadRequest("an event is a JSON object")
    body: dict[str, Any] = {}
    for name, value in payload.items():
        field: str = _CANONICAL.get(name) or _CANONICAL.get(str(name).lower(), str(name))
        if field in body:
            raise BadRequest(f"{field} is given twice", field=field)
        body[field] = value
    type_ = _type(body.pop("type", None))
    if None in body.values():  # which says the same as nothing
        body = {name: value for name, value in body.items() if value is not None or name not in _OPTIONAL_NONE}
    for name, value in body.items():
        check = _CHECKS.get(name)
        if check is not None:
            check(name, value)
    if type_.name == "heartbeat" and "status" in body:
        _status("status", body["status"])
    stream = _stream(type_, body)
    for name in type_.requires:
        if body.get(name) in (None, ""):
            raise BadRequest(f"{type_.upper} needs {name}", field=name)
    if "dependsOn" in body:
        body["dependsOn"] = dependencies(body["dependsOn"], body.get("repo"), stream)
    if "parent" in body:
        body["parent"] = parent(body["parent"], body.get("repo"), stream)
    return Fact(stream, type_, body, _lease(body))


def _type(value: Any) -> EventType:
    if not isinstance(value, str) or not value.strip():
        raise BadRequest("type is missing", field="type")
    found = event_type(value.strip())
    if found is None or not found.public:
        raise UnknownEventType(f"Unknown event type: {value[:100]}")
    return found


def _stream(type_: EventType, body: dict[str, Any]) -> str:
    repo, number, identifier = body.get("repo"), body.get("issueNumber"), body.get("identifier")
    if type_.family != "issue":  # an agent's event may carry an empty place
        if repo == "":
            repo = None
        if number == 0:
            number = None
    if "agentId" in body:
        if not isinstance(body["agentId"], str):
            raise BadRequest("agentId must be a text", field="agentId")
        agent = identity.agent_stream(body["agentId"])
    else:
        agent = None
    if repo is not None:
        _text("repo", repo, 201)
        if not identity.is_repo(repo):
            raise BadRequest("repo must look like owner/name", field="repo")
    if number is not None:
        _integer("issueNumber", number)
    if type_.family == "milestone":
        _text("milestone", body.get("milestone"), 200)
        if repo is None or "\n" in body["milestone"]:
            raise BadRequest("MILESTONE_COMPLETE needs repo and milestone", field="repo")
        return f"{repo}@milestone:{body['milestone']}"
    if type_.family == "agent":
        if agent is None:
            raise BadRequest(f"{type_.upper} needs agentId", field="agentId")
        return agent
    if repo is not None and number is not None:
        return identity.issue_stream(repo, number)
    if identifier is not None:
        if not isinstance(identifier, str):
            raise BadRequest("identifier must look like ABC-123", field="identifier")
        if identity.ISSUE_STREAM.match(identifier):
            body["repo"], body["issueNumber"] = identity.split_issue(identifier)
            return identifier
        if not identity.IDENTIFIER.match(identifier):
            raise BadRequest("identifier must look like ABC-123 or owner/repo#42", field="identifier")
        return identifier
    if type_.family == "issue":
        missing = "repo" if repo is None else "issueNumber"
        raise BadRequest(f"{type_.upper} needs {missing}", field=missing)
    if agent is None:
        raise BadRequest(f"{type_.upper} needs agentId, or repo and issueNumber", field="agentId")
    return agent


def reference(value: Any, repo: str | None) -> str | None:
    """The issue stream that ``owner/repo#N``, ``ABC-123`` or a number in the same repository names, None if it names none."""
    if isinstance(value, int) and not isinstance(value, bool) and repo and 1 <= value <= identity.MAX_ISSUE_NUMBER:
        return f"{repo}#{value}"
    if isinstance(value, str) and identity.is_issue(value):
        return value
    return None


def dependencies(value: Any, repo: str | None, stream: str) -> list[str]:
    """``dependsOn`` as issue streams without repeats; raises BadRequest, or Unprocessable for the issue itself."""
    if not isinstance(value, list) or len(value) > MAX_DEPENDENCIES:
        raise BadRequest(f"dependsOn must be a list of at most {MAX_DEPENDENCIES} issues", field="dependsOn")
    found: dict[str, None] = {}
    for entry in value:
        blocker = reference(entry, repo)
        if blocker is None:
            raise BadRequest("dependsOn holds owner/repo#N, ABC-123 or a number in the same repo", field="dependsOn")
        if blocker == stream:
            raise Unprocessable("an issue cannot depend on itself", field="dependsOn")
        found[blocker] = None
    return list(found)


def parent(value: Any, repo: str | None, stream: str) -> str:
    """``parent`` as an issue stream; raises BadRequest, or Unprocessable for the issue itself."""
    found = reference(value, repo)
    if found is None:
        raise BadRequest("parent must be owner/repo#N, ABC-123 or a number in the same repo", field="parent")
    if found == stream:
        raise Unprocessable("an issue cannot be its own parent", field="parent")
    return found


def _lease(body: dict[str, Any]) -> tuple[str, int] | None:
    lease, fence = body.get("leaseId"), body.get("fence")
    if lease is None and fence is None:
        return None
    if lease is None or fence is None:
        raise BadRequest("leaseId and fence come together", field="fence" if fence is None else "leaseId")
    return lease, fence
