"""The whole edge over a store in memory, real actors and plain stand-ins for what else there is."""

import hashlib
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any, BinaryIO

from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from rig.actors.system import System
from rig.blobs import BlobMissing, digest_of
from rig.bus.bus import Bus
from rig.clock import ManualClock
from rig.errors import BadSignature, ConfigError
from rig.http.app import make_app
from rig.http.deps import Deps, HttpSettings
from rig.ids import SeededIds
from rig.model.events import NewEvent, encode
from rig.model.health import HealthReport
from rig.model.rows import Tokens
from rig.model.tables import ISSUES
from rig.plugin.contexts import Identity, Mapped, WebhookDelivery, WebhookSettings
from rig.plugin.sources import Hook
from rig.reactors.inbox import Inbox
from rig.reactors.leases import KINDS
from rig.store.log import Log
from rig.store.memory import open_memory
from rig.store.port import Snapshot
from rig.store.reading import Reading
from rig.store.units import Unit
from rig.vault.keys import digest
from rig.wire import views

OPERATOR_TOKEN = "operator-token-of-this-data-directory"
LOCAL = {"Host": "127.0.0.1"}


@dataclass
class Line:
    n: int
    at: int
    stream: str
    text: str


class FakeLogs:
    """Lines of executions by id."""

    def __init__(self) -> None:
        self.lines: dict[str, list[Line]] = {}

    async def read(self, execution: str, after: int = 0, limit: int = 1000) -> Sequence[Line]:
        return [line for line in self.lines.get(execution, []) if line.n > after][:limit]

    def written(self) -> dict[str, int]:
        return {execution: len(lines) for execution, lines in self.lines.items()}

    async def follow(self, execution: str, after: int = 0) -> AsyncIterator[Sequence[Line]]:
        yield await self.read(execution, after)


class FakeConfig:
    """A configuration that knows one section."""

    def effective(self) -> Mapping[str, Any]:
        return {"dispatch": {"enabled": False}}

    def provenance(self) -> Mapping[str, str]:
        return {"dispatch.enabled": "default"}

    def schema(self) -> Mapping[str, Any]:
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}

    def candidate(self, overlay: Mapping[str, Any]) -> Mapping[str, Any]:
        unknown = sorted(set(overlay) - {"dispatch"})
        if unknown:
            raise ConfigError("the configuration is not valid", errors=[{"path": p, "message": "no such key"} for p in unknown])
        return overlay


class FakeSource:
    """Deliveries signed by their plain sha-256 with the secret in front; the body is an event, an empty one means nothing."""

    type = "github"

    async def verify(self, delivery: WebhookDelivery, secrets: Sequence[str]) -> None:
        good = [hashlib.sha256(s.encode() + delivery.body).hexdigest() for s in secrets]
        if delivery.header("x-signature") not in good:
            raise BadSignature

    async def identify(self, delivery: WebhookDelivery) -> Identity:
        return Identity(delivery.header("x-delivery") or "none", delivery.header("x-event") or "issues.labeled")

    async def normalize(self, delivery: WebhookDelivery, settings: WebhookSettings) -> Mapped:
        if delivery.header("x-event") == "ping":
            return Mapped(ignored="ping")
        return Mapped(facts=({"type": "ISSUE_APPROVED", "repo": "acme/web", "issueNumber": 7, "title": "Seven"},))


class MemoryBlobs:
    """Bodies in memory."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        self.bodies[digest_of(data)] = data
        return digest_of(data)

    def get(self, digest: str) -> bytes:
        if digest not in self.bodies:
            raise BlobMissing(digest=digest)
        return self.bodies[digest]

    def open(self, digest: str) -> BinaryIO:
        return BytesIO(self.get(digest))

    def has(self, digest: str) -> bool:
        return digest in self.bodies

    def delete(self, digest: str) -> None:
        self.bodies.pop(digest, None)


def price(model: str, tokens: Tokens, reported: Any, one_hour: int = 0) -> dict[str, Any]:
    return {"counted": tokens.total * 10**6, "rule": "recomputed", "computed": tokens.total * 10**6, "reported": None}


@dataclass
class Edge:
    """A running edge and what stands behind it."""

    client: TestClient[Any, Any]
    store: Log
    deps: Deps
    clock: ManualClock
    logs: FakeLogs
    attempts: dict[tuple[str, int] | str, str] = field(default_factory=dict)

    async def key(self, name: str, *scopes: str, tenant: str = "default", **more: Any) -> str:
        """A key as ``rig key create`` would make it; the text that its owner sends."""
        prefix = hashlib.sha256(f"{name}{tenant}".encode()).hexdigest()[:8]
        text = f"rig_{prefix}_" + "s" * 43
        body = {"id": f"api-key-{prefix}", "name": name, "prefix": prefix, "digest": digest(text), "scopes": scopes, **more}
        await self.store.commit(Unit(tenant, (NewEvent("keys", "key_created", encode(body)),)))
        return text

    def deps_again(self) -> Deps:
        """The same ports for another application: a bus and a registry of its own."""
        return replace(
            self.deps,
            registry=CollectorRegistry(),
            bus=Bus(lambda tenant: self.deps.bus.ring(tenant).newest, lambda *row: None),
        )

    async def approve(self, *numbers: int, repo: str = "acme/web", **more: Any) -> None:
        """Issues that wait in the queue."""
        for number in numbers:
            body = {"repo": repo, "issueNumber": number, "title": f"Issue {number}", **more}
            await self.store.commit(Unit("default", (NewEvent(f"{repo}#{number}", "issue_approved", encode(body)),)))

    async def post(self, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        """Status and JSON of a POST."""
        async with self.client.post(path, json=body, **options) as response:
            return response.status, await response.json() if response.status != 204 else None

    async def get(self, path: str, **options: Any) -> tuple[int, Any]:
        """Status and JSON of a GET."""
        async with self.client.get(path, **options) as response:
            return response.status, await response.json() if response.status != 204 else None


MakeEdge = Callable[..., Awaitable[Edge]]


@asynccontextmanager
async def open_edge(
    *, deps: Mapping[str, Any] | None = None, bus: Mapping[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Edge]:
    """An edge that runs: settings of it by name, limits of the bus in ``bus``, other ports in ``deps``."""
    clock, ids = ManualClock(), SeededIds(1)
    store = open_memory(clock=clock, ids=ids)
    read = store.read

    async def sent(job: Callable[[Snapshot], Any]) -> Any:
        """As a store that reads in another process: what can be sent to it is sent."""
        return await read(pickle.loads(pickle.dumps(job)) if isinstance(job, Reading) else job)

    store.read = sent  # type: ignore[method-assign]
    system = System(store, clock, ids, KINDS)
    logs = FakeLogs()

    async def healthy() -> HealthReport:
        return HealthReport("Ok", (), clock.now())

    def show_row(tenant: str, view: str, key: str, row: Any) -> Any:
        if view == "queue":
            row = store.get(ISSUES, tenant, key) if row.ready else None
        return None if row is None else views.shown(view, row, clock.now())

    def newest(tenant: str) -> int:
        with store.snapshot() as snapshot:
            return snapshot.as_of(tenant)

    attempts: dict[tuple[str, int] | str, str] = {}
    hook = Hook("github", FakeSource(), ("old-secret", "new-secret"))

    def hooks(name: str) -> list[Hook]:
        return [hook] if name == "github" else []

    blobs = MemoryBlobs()
    inbox = Inbox(store, blobs, clock, hooks=hooks, settings=lambda tenant: WebhookSettings(), price=price)
    ready = Deps(
        inbox=inbox,
        store=store,
        system=system,
        clock=clock,
        ids=ids,
        bus=Bus(newest, show_row, **(bus or {})),
        price=price,
        logs=logs,
        config=FakeConfig(),
        health=healthy,
        hooks=hooks,
        peer_attempt=lambda peer: attempts.get("any"),
        tenants=lambda: ("default", "acme"),
        settings=HttpSettings(operator_token=OPERATOR_TOKEN, **settings),
    )
    ready = replace(ready, **(deps or {}))
    async with TestClient(TestServer(make_app(ready))) as client:
        yield Edge(client, store, ready, clock, logs, attempts)
    await system.stop()
    await store.close()
