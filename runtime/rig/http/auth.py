"""Who asks, and may they (conventions §7): keys, the local operator, the operator token, keys of attempts."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec
from aiohttp import web

from rig.errors import Forbidden, TenantForbidden, Unauthorized
from rig.http.deps import HttpSettings
from rig.http.guard import is_loopback
from rig.ids import DEFAULT_TENANT
from rig.model.call import LOCAL_OPERATOR, SCOPES, Call
from rig.model.rows import KeyRow
from rig.model.tables import KEYS, Query
from rig.store.port import Batch, Store
from rig.vault.keys import digest
from rig.wire.operations import SIGNATURE, Operation

SUBMIT = "jobs:submit"
"""Scope of a key of SUBMIT_API_KEYS."""
TENANT = "X-Stella-Tenant"
_FORWARDED = ("forwarded", "x-forwarded-", "x-real-ip")
_LEVELS: dict[str | None, int] = {None: 0, SIGNATURE: 0, **{scope: level for level, scope in enumerate(SCOPES, 1)}}
MAX_TOKEN = 512


class Identity(msgspec.Struct, frozen=True):
    """What a credential, or its lawful absence, says about who asks."""

    principal: str
    tenant: str | None = DEFAULT_TENANT
    """None: any tenant, the request names it."""
    scopes: tuple[str, ...] = SCOPES
    level: int = len(SCOPES)
    execution: str | None = None
    issue: str | None = None
    lease: tuple[str, int] | None = None
    agent: str | None = None
    key: tuple[str, str] | None = None
    """(tenant, id) of the API key, None when it is not one."""


ANONYMOUS = Identity("anonymous", scopes=(), level=0)
LOCAL = Identity(LOCAL_OPERATOR)
OPERATOR = Identity("operator", tenant=None)


def of_key(row: KeyRow) -> Identity:
    """Who an API key speaks for."""
    scopes = () if row.execution else row.scopes
    return Identity(
        principal=f"attempt:{row.execution}" if row.execution else f"key:{row.prefix}",
        tenant=row.tenant,
        scopes=scopes,
        level=max((_LEVELS.get(s, 0) for s in scopes), default=0),
        execution=row.execution,
        issue=row.issue,
        lease=(row.lease, row.fence) if row.lease else None,
        agent=row.agent,
        key=(row.tenant, row.id),
    )


class KeyRing:
    """API keys by digest, as the log has them; a revocation holds from the commit on."""

    def __init__(self, store: Store, tenants: Callable[[], Sequence[str]], limit: int = 10_000) -> None:
        self._store = store
        self._tenants = tenants
        self._limit = limit
        self._known: OrderedDict[str, Identity] = OrderedDict()
        self.revocations = 0
        """How many were heard of; while it stays the same, who was alive still is."""

    def find(self, digest: str, hint: str | None = None) -> Identity | None:
        """Who the key with this digest speaks for, None when there is none or it was revoked."""
        known = self._known.get(digest)
        if known is not None:
            return known
        tenants = dict.fromkeys([*([hint] if hint else []), DEFAULT_TENANT, *self._tenants()])
        with self._store.snapshot() as snapshot:
            for tenant in tenants:
                for _, row in snapshot.page(Query(KEYS, tenant, (("digest", "=", digest),), limit=2)):
                    if row.revoked_at is None:
                        return self._learn(row)
        return None

    def alive(self, identity: Identity) -> bool:
        """Whether a credential that was good still is; asked by streams that outlive their request."""
        if identity.key is None:
            return True
        row = self._store.get(KEYS, *identity.key)
        return row is not None and row.revoked_at is None

    def hear(self, batch: Batch) -> None:
        """Forget what was revoked; a store listener."""
        for (_, table, _), row in batch.rows.items():
            if table == "keys" and isinstance(row, KeyRow) and row.revoked_at is not None:
                self._known.pop(row.digest, None)
                self.revocations += 1

    def _learn(self, row: KeyRow) -> Identity:
        identity = of_key(row)
        self._known[row.digest] = identity
        if len(self._known) > self._limit:
            self._known.popitem(last=False)
        return identity


class Gate:
    """Decides about one request: 401, 403, or the Call that goes on."""

    def __init__(self, settings: HttpSettings, keys: KeyRing, peer_attempt: Callable[[tuple[str, int]], str | None]) -> None:
        self._local_allowed = settings.auth_mode == "auto" and settings.loopback_bind
        self._operator = digest(settings.operator_token) if settings.operator_token else None
        self._submit = {
            digest(key): Identity(f"submit:{digest(key)[:8]}", scopes=(SUBMIT,), level=0) for key in settings.submit_keys
        }
        self._peer_attempt = peer_attempt
        self.keys = keys

    def identify(self, request: web.Request, operation: Operation) -> Identity:
        """Who asks; ANONYMOUS when nobody says so. Raises Unauthorized for a bad credential, but where none is needed."""
        if operation.scope == SIGNATURE:
            return ANONYMOUS
        try:
            return self._identify(request, operation)
        except Unauthorized:
            if operation.scope is None:
                return ANONYMOUS
            raise

    def _identify(self, request: web.Request, operation: Operation) -> Identity:
        given = request.headers.getall("Authorization", ())
        if not given:
            return self._without(request, operation)
        scheme, _, token = given[0].partition(" ")
        if len(given) > 1 or scheme.lower() != "bearer" or not 0 < len(token) <= MAX_TOKEN:
            raise Unauthorized
        found = digest(token)
        if found == self._operator:
            return OPERATOR
        identity = self._submit.get(found) or self.keys.find(found, request.headers.get(TENANT))
        if identity is None:
            raise Unauthorized
        return identity

    def authorize(self, identity: Identity, operation: Operation, request: web.Request, trace: str) -> Call:
        """The call that ``identity`` makes. Raises Unauthorized for ANONYMOUS, Forbidden, TenantForbidden."""
        if identity is ANONYMOUS:
            if _LEVELS[operation.scope]:
                raise Unauthorized
            return Call("default", "anonymous", (), operation.name, trace)
        tenant = self._tenant(identity, request)
        if operation.installation and tenant != DEFAULT_TENANT:
            raise Forbidden("this belongs to the installation: only tenant default may write it")
        if identity.execution is not None:
            if not operation.attempt and operation.scope is not None:
                raise Forbidden("the key of an attempt is good for its own events, heartbeat, usage and logs")
        elif identity.level < _LEVELS[operation.scope] and not (operation.submit and SUBMIT in identity.scopes):
            raise Forbidden(f"this needs the scope {operation.scope}")
        return Call(
            tenant,
            identity.principal,
            identity.scopes,
            operation.name,
            trace,
            execution=identity.execution,
            issue=identity.issue,
            lease=identity.lease,
        )

    def _tenant(self, identity: Identity, request: web.Request) -> str:
        named = request.headers.getall(TENANT, ())
        if not named:
            return identity.tenant or DEFAULT_TENANT
        if len(named) > 1 or not valid_tenant(named[0]) or identity.tenant not in (None, named[0]):
            raise TenantForbidden
        return named[0]

    def _without(self, request: web.Request, operation: Operation) -> Identity:
        """No credential: the local operator, or nobody."""
        if not self._local_allowed:
            return ANONYMOUS
        transport = request.transport
        peer = transport.get_extra_info("peername") if transport is not None else None
        if not peer or not is_loopback(peer[0]) or not is_loopback_host(request):
            return ANONYMOUS
        if any(name.lower().startswith(_FORWARDED) for name in request.headers):
            return ANONYMOUS
        attempt = self._peer_attempt((peer[0], peer[1]))
        if attempt:
            raise AttemptWithoutKey(attempt)
        if attempt == "" and operation.mutating:
            raise Unauthorized("a running attempt may be asking: this needs a credential")
        return LOCAL


class AttemptWithoutKey(Unauthorized):
    """An agent must use the key of its attempt."""

    def __init__(self, execution: str) -> None:
        super().__init__()
        self.execution = execution


def is_loopback_host(request: web.Request) -> bool:
    """Whether the request names this machine by a loopback name or address."""
    return is_loopback(hostname(request.headers.get("Host", "")))


def hostname(host: str) -> str:
    """A Host header without its port and brackets, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def valid_tenant(name: str) -> bool:
    """Whether a tenant may be called so."""
    return 0 < len(name) <= 63 and name[0] not in "-_" and all(c in "abcdefghijklmnopqrstuvwxyz0123456789-_" for c in name)
