"""Configured webhook sources as the edge needs them: the plugin, the secrets, and what a delivery is read with."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rig.config import Settings
from rig.config.sections import WebhookSource
from rig.errors import NotFound
from rig.model.tables import ISSUES, Query
from rig.plugin.contexts import WebhookSettings
from rig.plugin.guarded import GuardedSource
from rig.plugin.sources import Hook
from rig.store.port import Store
from rig.vault.secrets import Secrets, resolve

log = logging.getLogger("rig.http")


class ConfiguredHooks:
    """Reads the configuration at each delivery, so that a change of it holds at once."""

    def __init__(
        self, settings: Callable[[], Settings], plugins: Mapping[str, GuardedSource], secrets: Secrets, store: Store
    ) -> None:
        self._settings = settings
        self._plugins = plugins
        self._secrets = secrets
        self._store = store
        self._missing: dict[tuple[str, str], set[str]] = {}
        """By tenant and name of a source, what was said to be missing: secrets are asked for again and again."""

    def __call__(self, name: str) -> Sequence[Hook]:
        """Sources that are called ``name``, or are of that type; ``Deps.hooks``."""
        found = []
        for source in self._settings().webhook_sources:
            plugin = self._plugins.get(source.type)
            if plugin is not None and name in (source.name, source.type):
                secrets = self._resolved(source)
                found.append(Hook(source.name, plugin, secrets, source.tenant, source.requests_per_minute))
        return found

    def secrets(self) -> tuple[str, ...]:
        """Every secret of every source."""
        return tuple(secret for source in self._settings().webhook_sources for secret in self._resolved(source))

    def settings(self, tenant: str) -> WebhookSettings:
        """What a source of ``tenant`` reads deliveries with; ``Deps.hook_settings``."""
        tracker = self._settings().tracker

        def issue_of(repo: str, branch: str | None, pull: int | None) -> int | None:
            column, value = ("branch", branch) if branch else ("pr_number", pull)
            if value is None:
                return None
            where: Any = (("repo", "=", repo), (column, "=", value))
            newest = Query(ISSUES, tenant, where, ("-number",), limit=1)  # most are of the last, and the index has them so
            with self._store.snapshot() as snapshot:
                rows = snapshot.page(newest)
            return rows[0][1].number if rows else None

        return WebhookSettings(tuple(tracker.required_labels), tuple(tracker.trusted_associations), issue_of)

    def _resolved(self, source: WebhookSource) -> tuple[str, ...]:
        found: list[str] = []
        missing: set[str] = set()
        for secret in (source.secret, source.secret_previous):
            try:
                if secret is not None:
                    found.append(resolve(secret.get_secret_value(), source.tenant, self._secrets))
            except NotFound as error:  # a secret that is gone signs nothing; the other one still does
                missing.add(str(error))
        told = self._missing.get((source.tenant, source.name), set())
        self._missing[source.tenant, source.name] = missing
        for text in sorted(missing - told):
            log.warning("webhook source %s: %s to check its deliveries with; `rig secret set` stores it", source.name, text)
        return tuple(found)
