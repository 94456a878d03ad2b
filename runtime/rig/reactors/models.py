"""Which models the sessions of a provider may be given: what its program says, else what is configured. Asked anew now and then."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from rig.clock import Clock
from rig.errors import ConfigError, NotFound, RigError
from rig.plugin.guarded import GuardedProvider
from rig.plugin.provider import Model

AGE = 300.0
"""Seconds for which an answer is kept; a failure is not."""


class Providers(Protocol):
    """The providers that are installed (``rig.plugin.host.PluginHost``)."""

    def provider(self, name: str) -> GuardedProvider: ...


@dataclass(frozen=True)
class Listed:
    """The models of a provider."""

    provider: str
    models: Sequence[Model]
    source: Literal["program", "configured"]
    """Whether its program or server said so, or only the configuration and the plugin are known."""
    reason: str | None = None
    """Why its program did not say, None when it did or can't."""


class Models:
    """The lists that are known."""

    def __init__(self, providers: Providers, tables: Callable[[], Mapping[str, dict[str, Any]]], clock: Clock) -> None:
        """``tables`` are the sections ``[providers.<name>]`` as they are now."""
        self._providers = providers
        self._tables = tables
        self._clock = clock
        self._known: dict[str, tuple[float, dict[str, Any], Listed]] = {}

    async def of(self, name: str) -> Listed:
        """Raises NotFound for a provider that is not installed."""
        try:
            provider = self._providers.provider(name)
        except ConfigError as error:
            raise NotFound(error.message) from None
        table = dict(self._tables().get(name) or {})
        known = self._known.get(name)
        if known is not None and known[1] == table and self._clock.monotonic() - known[0] < AGE:
            return known[2]
        reason = None
        try:
            told = await provider.models(table)
        except RigError as error:
            told, reason = None, error.message
        configured = table.get("model")
        if told is None:
            named = dict.fromkeys([*([configured] if configured else []), *provider.registration.models])
            models = [Model(model, default=model == configured) for model in named]
            return Listed(name, models, "configured", reason)
        if configured:
            own = [] if configured in [model.id for model in told] else [Model(configured)]
            told = [Model(model.id, model.name, model.id == configured) for model in (*own, *told)]
        listed = Listed(name, told, "program")
        self._known[name] = (self._clock.monotonic(), table, listed)
        return listed
