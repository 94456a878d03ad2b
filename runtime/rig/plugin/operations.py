"""What an operation of a plugin is: an endpoint at ``/x/<plugin>/<name>``, and ``rig x <plugin> <name>``."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class OperationRequest:
    """One call of an operation."""

    tenant: str
    """Whose data is asked about; what an operation answers must be this tenant's alone."""
    principal: str
    """Who asks, such as ``key:ci``."""
    query: Mapping[str, str] = field(default_factory=dict)
    """Query parameters, the first of each name."""
    body: Any = None
    """An instance of the operation's ``request`` model; None for a GET, or when it declares none."""
    idempotency_key: str | None = None
    """The caller's Idempotency-Key. Rig answers a repeat itself; it comes again only where the daemon died over the first call."""


@dataclass(frozen=True)
class PluginOperation:
    """One thing that a plugin adds to the API."""

    name: str
    """Lower case, ``[a-z][a-z0-9_-]*``; the last part of the path."""
    summary: str
    """One line for the list of ``rig x``, ``GET /api/v1/plugins`` and the API's description."""
    handler: Callable[[OperationRequest], Awaitable[Any]]
    """Answers with what JSON can say; a ``rig.RigError`` that it raises becomes the answer, anything else is a fault and 503."""
    method: Literal["GET", "POST"] = "GET"
    """A GET reads; a POST may change something, is in the audit log before it is called, and is not done again for a repeated Idempotency-Key."""
    scope: Literal["read", "write", "admin"] = "read"
    """Weakest scope that may call it. A POST needs at least ``write``."""
    request: type[Any] | None = None
    """pydantic model of a POST's body, None when it takes none. The API's description shows its JSON schema."""
