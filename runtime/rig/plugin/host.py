"""The plugins of one daemon: loads them, holds what they registered, and lets the rest of Rig call it guarded.

Made by the composition root; there is no other. Nothing here is global, so two hosts in one process know nothing of each other.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint
from typing import Any

from rig.clock import Clock
from rig.errors import ConfigError, PluginError
from rig.plugin.contexts import (
    Fault,
    HealthCheckersContext,
    Identity,
    Mapped,
    ProvidersContext,
    WebhookDelivery,
    WebhookSettings,
    WebhookSource,
    WebhookSourcesContext,
)
from rig.plugin.guard import Guard
from rig.plugin.health import HealthBoard, Watched
from rig.plugin.loader import Loaded, Loader, PluginSettings, strict_faults, validated
from rig.plugin.provider import ProviderRegistration, Session, SessionResult
from rig.plugin.record import BROKEN, PluginRecord


class GuardedSource:
    """A webhook source whose calls are guarded and awaited."""

    def __init__(self, source: WebhookSource, guard: Guard, deadline: float) -> None:
        self.type = str(source.type)
        self._source = source
        self._guard = guard
        self._deadline = deadline

    async def verify(self, delivery: WebhookDelivery, secrets: Sequence[str]) -> None:
        """Raises BadSignature, or PluginError when the plugin failed: nothing is known of the delivery then."""
        await self._call("verify", self._source.verify, delivery, list(secrets))

    async def identify(self, delivery: WebhookDelivery) -> Identity:
        """Raises BadRequest for a delivery without a name."""
        identity: Identity = await self._call("identify", self._source.identify, delivery, expect=Identity)
        return identity

    async def normalize(self, delivery: WebhookDelivery, settings: WebhookSettings) -> Mapped:
        """What the delivery means. Raises BadRequest when it is not readable."""
        mapped: Mapped = await self._call("normalize", self._source.normalize, delivery, settings, expect=Mapped)
        return mapped

    async def _call(self, name: str, function: Callable[..., Any], *args: Any, expect: Any = None) -> Any:
        return await self._guard.call(f"{self.type}.{name}", function, *args, deadline=self._deadline, expect=expect)


class GuardedProvider:
    """A provider whose sessions can't take the daemon with them; itself a ``rig.Provider``."""

    def __init__(self, registration: ProviderRegistration, guard: Guard) -> None:
        self.name = registration.name
        self.registration = registration
        self._guard = guard

    def configure(self, raw: Mapping[str, Any] | None) -> Any:
        """The validated ``[providers.<name>]``. Raises ConfigError with every fault at once, also when a needed key is missing."""
        return validated(self.registration.config, raw or {}, f"providers.{self.name}")

    async def run(self, session: Session) -> SessionResult:
        """Run one session; no deadline but cancellation. Raises the provider's RigError, or PluginError for anything else."""
        run = self.registration.provider.run
        result: SessionResult = await self._guard.call(f"{self.name}.run", run, session, deadline=None, expect=SessionResult)
        return result


class PluginHost:
    """Every plugin of the daemon and everything that they registered.

    ``on_fault`` hears of each fault, on the loop or, while loading, on the thread that loads; it must neither raise nor block.
    ``entries`` replaces the installed entry points, for tests.
    """

    def __init__(
        self,
        settings: PluginSettings | None = None,
        *,
        on_fault: Callable[[Fault], None] | None = None,
        entries: Iterable[EntryPoint] | None = None,
    ) -> None:
        self.settings = settings or PluginSettings()
        self.providers: dict[str, GuardedProvider] = {}
        """By the name in ``[providers.<name>]``."""
        self.webhook_sources: dict[str, GuardedSource] = {}
        """By type."""
        self._watched: dict[str, Watched] = {}
        self._owners: dict[str, list[tuple[dict[str, Any], str]]] = {}
        self._loader = Loader(self.settings, entries, on_fault)

    def load(self) -> None:
        """Load and register everything that is installed and wanted; call it once, before the daemon serves.

        Raises PluginError naming each broken plugin when ``settings.strict``.
        """
        self._loader.load()
        self._loader.register("rig_register_providers", ProvidersContext, self._add_provider)
        self._loader.register("rig_register_webhook_sources", WebhookSourcesContext, self._add_source)
        self._loader.register("rig_register_health_checkers", HealthCheckersContext, self._add_checker)
        for plugin in self._loader.plugins.values():
            if plugin.state != "enabled":  # a half-registered plugin leaves nothing behind
                for registry, key in self._owners.get(plugin.entry.name, []):
                    del registry[key]
        if self.settings.strict and (faults := strict_faults(list(self._loader.plugins.values()))):
            raise PluginError("RIG_STRICT_PLUGINS is set and a plugin is broken: " + "; ".join(faults), faults=faults)

    def records(self) -> list[PluginRecord]:
        """A row for each plugin, by name."""
        return [_record(plugin) for plugin in self._loader.plugins.values()]

    def provider(self, name: str) -> GuardedProvider:
        """The provider of that name. Raises ConfigError that names those there are."""
        if name not in self.providers:
            known = ", ".join(sorted(self.providers)) or "none"
            raise ConfigError(f"there is no provider {name!r}; installed: {known}", provider=name)
        return self.providers[name]

    def health(self, clock: Clock) -> HealthBoard:
        """The board of every registered checker; broken plugins appear on it as ``plugin:<name>``, not critical."""
        return HealthBoard(list(self._watched.values()), clock, broken=self._broken)

    def _broken(self) -> list[tuple[str, str]]:
        rows = [r for r in self.records() if r.state in BROKEN]
        return [(r.name, f"{r.state}: {(r.last_error or '').split(':')[0]}") for r in rows]

    def _add_provider(self, plugin: Loaded, thing: object) -> str | None:
        if not isinstance(thing, ProviderRegistration) or not callable(getattr(thing.provider, "run", None)):
            return f"a ProviderRegistration with a provider is wanted, not {type(thing).__name__}"
        return self._add(plugin, self.providers, thing.name, GuardedProvider(thing, plugin.guard))

    def _add_source(self, plugin: Loaded, thing: object) -> str | None:
        wanted = ("verify", "identify", "normalize")
        if not isinstance(getattr(thing, "type", None), str) or not all(callable(getattr(thing, n, None)) for n in wanted):
            return f"a WebhookSource with type, {', '.join(wanted)} is wanted, not {type(thing).__name__}"
        source: Any = thing
        guarded = GuardedSource(source, plugin.guard, self.settings.call_seconds)
        return self._add(plugin, self.webhook_sources, guarded.type, guarded)

    def _add_checker(self, plugin: Loaded, thing: object) -> str | None:
        checker: Any = thing
        if not isinstance(getattr(checker, "name", None), str) or not callable(getattr(checker, "check", None)):
            return f"a HealthChecker with name, critical and check is wanted, not {type(thing).__name__}"
        if not isinstance(getattr(checker, "critical", None), bool):
            return f"the health checker {checker.name} does not say whether it is critical"
        return self._add(plugin, self._watched, checker.name, Watched(checker, plugin.guard))

    def _add(self, plugin: Loaded, registry: dict[str, Any], key: str, value: Any) -> str | None:
        if key in registry:
            return f"{key!r} is registered already"
        registry[key] = value
        self._owners.setdefault(plugin.entry.name, []).append((registry, key))
        return None


def _record(plugin: Loaded) -> PluginRecord:
    guard, dist = plugin.guard, plugin.entry.dist
    state: Any = "quarantined" if plugin.state == "enabled" and guard.quarantined else plugin.state
    return PluginRecord(
        name=plugin.entry.name,
        distribution=None if dist is None else dist.name,
        version=None if dist is None else dist.version,
        state=state,
        hooks=plugin.hooks,
        calls=guard.calls,
        ms_per_call=guard.ms_per_call,
        strikes=guard.strikes,
        last_error=guard.last_error,
    )
