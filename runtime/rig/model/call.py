"""Who asks for what: the part of a request that travels from the edge down into the envelope of the events it causes."""

import msgspec

SCOPES = ("orchestrator:read", "orchestrator:write", "orchestrator:admin")
"""Weakest first; a scope includes those before it."""

LOCAL_OPERATOR = "local"
"""Principal of a request from this machine without a credential."""


class Call(msgspec.Struct, frozen=True):
    """An authenticated request, without its body."""

    tenant: str = "default"
    principal: str = "system"
    """``key:<prefix>``, ``local``, ``operator``, ``webhook:<source>``, ``attempt:<execution>`` or ``system``."""
    scopes: tuple[str, ...] = SCOPES
    operation: str = ""
    request_id: str = ""
    """Trace id of 32 hex digits; also the answer's ``trace_id``."""
    idempotency_scope: str | None = None
    """Tenant, principal, method, path and key in one text; None when the client sent no Idempotency-Key."""
    idempotency_digest: bytes = b""
    """sha256 of the request body."""
    execution: str | None = None
    """Set for an attempt's own key: what it may touch, and the lease it implies."""
    issue: str | None = None
    lease: tuple[str, int] | None = None
    """(lease id, fence) that an attempt's own key implies."""

    def may(self, scope: str) -> bool:
        """Whether the call carries ``scope`` or a stronger one."""
        return any(s in self.scopes for s in SCOPES[SCOPES.index(scope) :])
