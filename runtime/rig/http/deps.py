"""What the HTTP edge needs of the rest of Rig, as ports; ``rig.service`` fills them, tests fill them with fakes."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from aiohttp import web
from prometheus_client import CollectorRegistry

from rig.bus.bus import Bus
from rig.clock import Clock
from rig.errors import NotFound
from rig.http.rates import Rates
from rig.http.readings import Readings
from rig.http.usage import UsageAnswers
from rig.ids import Ids
from rig.model.call import Call
from rig.model.health import HealthReport
from rig.model.rows import Tokens
from rig.plugin.calls import CallLog
from rig.plugin.guarded import GuardedOperation
from rig.plugin.record import PluginRecord
from rig.plugin.sources import Hook
from rig.reactors.inbox import Inbox
from rig.reactors.models import Listed
from rig.store.port import Store
from rig.store.units import Committed, Outcome


class Asks(Protocol):
    """The actors' door (``rig.actors.system.System``)."""

    async def ask(
        self,
        kind: str,
        call: Call,
        key: str,
        command: Any,
        *,
        expected_version: int | None = None,
        outcome: Callable[[Committed], Outcome] | None = None,
        deadline: float = 10.0,
    ) -> Committed: ...


class LogRecord(Protocol):
    """One line of an execution's output."""

    @property
    def n(self) -> int:
        """Counted from 1."""
        ...

    @property
    def at(self) -> int: ...

    @property
    def stream(self) -> str: ...

    @property
    def text(self) -> str: ...


class Logs(Protocol):
    """Output of executions."""

    async def read(self, execution: str, after: int = 0, limit: int = 1000) -> Sequence[LogRecord]:
        """Lines after a line, oldest first."""
        ...

    def written(self) -> Mapping[str, int]:
        """The executions that are being written here, with how many lines each has so far."""
        ...

    def follow(self, execution: str, after: int = 0) -> AsyncIterator[Sequence[LogRecord]]:
        """Batches of lines as they come; ends when the execution has ended and everything was given."""
        ...


class ConfigurationPort(Protocol):
    """The configuration in force; writing goes through the log."""

    def effective(self) -> Mapping[str, Any]: ...

    def provenance(self) -> Mapping[str, str]: ...

    def schema(self) -> Mapping[str, Any]: ...

    def candidate(self, overlay: Mapping[str, Any]) -> Mapping[str, Any]:
        """The overlay as it may be stored, secrets replaced by references; raises ConfigError with every error."""
        ...


class Plugins(Protocol):
    """The daemon's plugins (``rig.plugin.host.PluginHost``)."""

    @property
    def calls(self) -> CallLog: ...

    @property
    def operations(self) -> Mapping[str, GuardedOperation]:
        """By ``<plugin>/<name>``."""
        ...

    def records(self) -> Sequence[PluginRecord]: ...

    async def switch(self, name: str, on: bool, say: Callable[[], Awaitable[None]]) -> PluginRecord:
        """Let a plugin in or take it out, after ``say`` and only when that did not raise.

        Raises NotFound, or Conflict where the plugin may not be let in.
        """
        ...


class NoPlugins:
    """A daemon without plugins."""

    def __init__(self) -> None:
        self.calls = CallLog()
        self.operations: Mapping[str, GuardedOperation] = {}

    def records(self) -> Sequence[PluginRecord]:
        return ()

    async def switch(self, name: str, on: bool, say: Callable[[], Awaitable[None]]) -> PluginRecord:
        raise NotFound(f"there is no plugin {name!r}")


class Watched(Protocol):
    """How a tracker is."""

    @property
    def error(self) -> str | None: ...
    @property
    def faults(self) -> Mapping[str, str]: ...
    @property
    def polled_at(self) -> int | None: ...
    @property
    def due(self) -> int | None: ...
    @property
    def resting(self) -> bool: ...


class Trackers(Protocol):
    """The daemon's trackers (``rig.reactors.tracking.Tracking``)."""

    def wanted(self) -> Sequence[str]:
        """Names of those that are polled."""
        ...

    def states(self) -> Sequence[tuple[str, Watched]]: ...

    def refresh(self) -> bool:
        """Poll them now; False when that was asked for already."""
        ...


class NoTrackers:
    """A daemon that polls nothing."""

    def wanted(self) -> Sequence[str]:
        return ()

    def states(self) -> Sequence[tuple[str, Watched]]:
        return ()

    def refresh(self) -> bool:
        return False


@dataclass(frozen=True)
class HttpSettings:
    """How the edge is set up."""

    auth_mode: Literal["auto", "required"] = "auto"
    loopback_bind: bool = True
    """Whether it listens on a loopback address alone; elsewhere nobody is the local operator."""
    operator_token: str | None = None
    """Content of the operator token file in the data directory."""
    submit_keys: tuple[str, ...] = ()
    """Plain keys of SUBMIT_API_KEYS."""
    allowed_hosts: tuple[str, ...] = ()
    public_url: str = ""
    heartbeat: float = 15.0
    """Seconds of silence after which an event stream says that it lives."""


def _no_tenants() -> Sequence[str]:
    return ("default",)


def _ready() -> str | None:
    return None


def _nobody(peer: tuple[str, int]) -> str | None:
    return None


async def _learned(model: str) -> None:
    return None


async def _accepted(*completion: object, **work: object) -> str | None:
    return None


async def _no_models(provider: str | None) -> Listed:
    raise NotFound("there is no such provider")


def _no_hooks(name: str) -> Sequence[Hook]:
    return ()


def _plain(data: bytes) -> bytes:
    return data


@dataclass(frozen=True, kw_only=True)
class Deps:
    """Everything that a handler may use."""

    store: Store
    system: Asks
    clock: Clock
    ids: Ids
    bus: Bus
    price: Callable[[str, Tokens, Any, int], dict[str, Any]]
    """(model, tokens, reported dollars as posted or None, cache tokens written for an hour) to ``meta.cost`` of a usage event."""
    learn: Callable[[str], Awaitable[None]] = _learned
    """Looks a model's price up off the loop, before ``price`` needs it."""
    models: Callable[[str | None], Awaitable[Listed]] = _no_models
    """Provider (None: the one that dispatch uses) to the models there are; raises NotFound."""
    completion: Callable[..., Awaitable[str | None]] = _accepted
    """(issue's row, stream, agent, state after, branch=, commit=, result=) to why a plugin refuses a completion, or None."""
    logs: Logs
    config: ConfigurationPort
    health: Callable[[], Awaitable[HealthReport]]
    plugins: Plugins = field(default_factory=NoPlugins)
    trackers: Trackers = field(default_factory=NoTrackers)
    ready: Callable[[], str | None] = _ready
    """Why Rig takes no work (``replaying``, ``draining``, ``log_corrupt``), None when it does."""
    inbox: Inbox
    hooks: Callable[[str], Sequence[Hook]] = _no_hooks
    """Sources that are called so, or are of that type."""
    peer_attempt: Callable[[tuple[str, int]], str | None] = _nobody
    """(address, port) of a peer to the running execution that its process belongs to: ``""`` when that can't be told while
    some run, None when it belongs to none."""
    tenants: Callable[[], Sequence[str]] = _no_tenants
    """Tenants in the log, for finding a key by its digest."""
    settings: HttpSettings = HttpSettings()
    success_state: Callable[[], Literal["in_review", "done"]] = lambda: "in_review"
    """Where a completed issue goes (``dispatch.success_state``)."""
    retry_after: Callable[[int], float | None] = lambda attempt: min(10.0 * 2 ** (attempt - 1), 300.0)
    """Attempt that failed, from 1, to seconds until the next one; None: there is none."""
    rates: Rates = field(default_factory=Rates)
    """How often each webhook source was asked lately."""
    readings: Readings = field(default_factory=Readings)
    usage: UsageAnswers = field(default_factory=UsageAnswers)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    seal: Callable[[bytes], bytes] = _plain
    """Encrypts an answer with a secret that is kept for a repeat of its Idempotency-Key."""
    unseal: Callable[[bytes], bytes] = _plain


DEPS: web.AppKey[Deps] = web.AppKey("deps", Deps)
