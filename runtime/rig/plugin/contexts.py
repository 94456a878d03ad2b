"""What plugins are given and what they give back: one frozen context a hook, and the protocols of registered things.

Fields may be added to a context at any time; none is taken away without a deprecation.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rig.model.health import CheckResult, NothingToCheck


@dataclass(frozen=True)
class _Registration:
    """What every registration hook is told."""

    rig_version: str
    """The version of Rig that loads the plugin."""
    plugin: str
    """The plugin's own name, that of its entry point and of its ``[plugins.<name>]``."""
    config: Any = None
    """The plugin's validated configuration: an instance of its ``RIG_CONFIG``, None when it declares none."""


@dataclass(frozen=True)
class ProvidersContext(_Registration):
    """Context of ``rig_register_providers``."""


@dataclass(frozen=True)
class WebhookSourcesContext(_Registration):
    """Context of ``rig_register_webhook_sources``."""


@dataclass(frozen=True)
class HealthCheckersContext(_Registration):
    """Context of ``rig_register_health_checkers``."""


@dataclass(frozen=True)
class NotifiersContext(_Registration):
    """Context of ``rig_register_notifiers``."""


@dataclass(frozen=True)
class TrackersContext(_Registration):
    """Context of ``rig_register_trackers``."""


@dataclass(frozen=True)
class StepKindsContext(_Registration):
    """Context of ``rig_register_step_kinds``."""


@dataclass(frozen=True)
class PriceSourcesContext(_Registration):
    """Context of ``rig_register_price_sources``."""


@dataclass(frozen=True)
class OperationsContext(_Registration):
    """Context of ``rig_register_operations``."""


@dataclass(frozen=True)
class CommandsContext(_Registration):
    """Context of ``rig_register_commands``; the plugin is loaded by the command line then, not by the daemon."""


@dataclass(frozen=True)
class ProviderSetup:
    """How a provider is set up, as its sessions would find it."""

    settings: Mapping[str, Any]
    """Its table ``[providers.<name>]`` without ``env``, as it is written."""
    granted: tuple[str, ...] = ()
    """Names of the variables that ``env`` grants, without their values."""
    missing: tuple[str, ...] = ()
    """Names of those among them whose secret does not exist."""


def _no_providers() -> Mapping[str, ProviderSetup]:
    return {}


@dataclass(frozen=True)
class HealthContext:
    """What a health check may ask; handed to ``HealthChecker.check``."""

    store_ping: Callable[[], Awaitable[str | None]]
    """Reads from the store, and raises when it can't. Answers why it is degraded (``read-only``), None when it is well."""
    streams_ping: Callable[[], Awaitable[str | None]]
    """The same for the bus of streams: raises when nothing is delivered at all, answers why delivery is slow."""
    loop_lag: Callable[[], float]
    """Seconds by which the event loop was late at worst in the last half minute."""
    data_dir: Path
    """Where the daemon keeps its files."""
    providers: Callable[[], Mapping[str, ProviderSetup]] = _no_providers
    """The providers that are configured, or that dispatch works with, by name."""


class HealthChecker(Protocol):
    """Looks after one dependency. It is never run twice at a time, and is cut off after 2 seconds (R0-9)."""

    @property
    def name(self) -> str:
        """What deep health calls the dependency."""
        ...

    @property
    def critical(self) -> bool:
        """Whether Rig is useless without the dependency: Unreachable then means 503."""
        ...

    async def check(self, context: HealthContext) -> CheckResult | NothingToCheck:
        """Say how the dependency is. What it raises is shown as Unreachable, ``check failed: <ExceptionName>`` (R0-11)."""
        ...


@dataclass(frozen=True)
class WebhookDelivery:
    """A delivery as it came in."""

    body: bytes
    """The raw bytes that the sender signed."""
    headers: Mapping[str, str]
    """Names in lower case. When a kept delivery is read again, those that could sign it are gone."""
    source: str = ""
    """The ``[[webhook_sources]] name`` that it is for."""
    at: int = 0
    """When it came, in microseconds since 1970 by Rig's clock: what a signed time is compared with."""

    def header(self, name: str) -> str | None:
        """The value of a header, None when it is missing or empty."""
        return self.headers.get(name.lower()) or None


@dataclass(frozen=True)
class Identity:
    """What a delivery is called."""

    delivery_id: str
    """The sender's own id of the delivery, the same when it is sent again; what duplicates are told by. Empty when the sender
    has none: the same body within a day is then the same delivery."""
    event: str
    """What happened, in the sender's words, such as ``issues.labeled``."""
    fingerprint: str | None = None
    """What two deliveries with one id must share to be the same, where the body changes when it is sent again; None: the body."""


def _unknown(repo: str, branch: str | None, pull: int | None) -> int | None:
    return None


@dataclass(frozen=True)
class WebhookSettings:
    """What of the configuration and the store a source needs to read a delivery."""

    required_labels: tuple[str, ...] = ()
    """``tracker.required_labels``: an issue is queued only when it carries all of them."""
    trusted_associations: tuple[str, ...] = ("OWNER", "MEMBER", "COLLABORATOR")
    """``tracker.trusted_associations``: whose issues are queued without anyone's approval."""
    issue_of: Callable[[str, str | None, int | None], int | None] = _unknown
    """(repository, branch, pull request) to the number of the newest issue that they belong to, None when Rig knows of none.

    Called on a worker thread.
    """


@dataclass(frozen=True)
class Mapped:
    """What a delivery means: facts, or why it means nothing."""

    facts: tuple[Mapping[str, Any], ...] = ()
    """Event payloads as ``POST /api/events`` takes them."""
    ignored: str | None = None
    """Why there are no facts, for people; None when there are."""
    version: str = ""
    """``TrackedIssue.version`` of the issue that this makes work, where a tracker of the same name lists it too: one that a poll has queued
    already is not queued again by a delivery that is late. Empty: the delivery counts in any case."""


class WebhookSource(Protocol):
    """Reads the deliveries of one kind of sender. Its methods run off the event loop and must be thread-safe."""

    @property
    def type(self) -> str:
        """What ``[[webhook_sources]] type`` and the path ``/api/webhooks/<type>`` call it."""
        ...

    def verify(self, delivery: WebhookDelivery, secrets: Sequence[str]) -> None:
        """Raise BadSignature unless the delivery is signed with one of ``secrets``, over its raw bytes and in constant time.

        Nothing is parsed before the signature is known to be good. Then StaleDelivery may be raised for a signed time that is too
        far from ``delivery.at``.
        """
        ...

    def identify(self, delivery: WebhookDelivery) -> Identity:
        """Name a verified delivery. Raises BadRequest when it has no id or is not readable."""
        ...

    def normalize(self, delivery: WebhookDelivery, settings: WebhookSettings) -> Mapped:
        """Say what a verified delivery means. Raises BadRequest when it is not readable; an unknown event is ignored."""
        ...


@dataclass(frozen=True)
class Fault:
    """A plugin that did not do what it should; handed to the ``on_fault`` of ``PluginHost``."""

    plugin: str
    what: str
    """What was called, such as ``github.normalize``."""
    error: str
    """One line for people: the exception's name and text, ``timeout after 5 s`` …"""
    strikes: int
    quarantined: bool
    """Whether this fault was the last that is borne."""
