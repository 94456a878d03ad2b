"""The composition root: opens, starts in order, stops in reverse. The only module that knows everything."""

import asyncio
import logging
import os
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from rig import __version__, config
from rig.actors.system import System
from rig.actors.timers import Timers
from rig.blobs import FolderBlobs
from rig.bus.bus import Bus
from rig.clock import SystemClock
from rig.config import Configuration, Settings
from rig.errors import ConfigError
from rig.http.app import make_app
from rig.http.deps import Deps, HttpSettings
from rig.http.guard import is_loopback
from rig.http.hooks import ConfiguredHooks
from rig.http.server import Serving, serve
from rig.ids import DEFAULT_TENANT, SystemIds
from rig.model.cycles import Cycles, waits_for
from rig.model.health import CheckResult
from rig.model.retry import backoff
from rig.model.tables import ISSUES, KEYS, Query
from rig.plugin.happenings import Happenings
from rig.plugin.host import PluginHost
from rig.plugin.looplag import LoopLag
from rig.plugin.provider import Provider
from rig.plugin.record import BROKEN
from rig.plugin.settings import PluginSettings
from rig.prices import PriceBook
from rig.reactors import leases, work_settings
from rig.reactors.dispatch import Dispatch
from rig.reactors.duties import Duties, newest_instant
from rig.reactors.faults import FaultRecorder, watch_clock
from rig.reactors.gates import Gates
from rig.reactors.gauges import Gauges
from rig.reactors.grants import Granter
from rig.reactors.inbox import Inbox, Policy
from rig.reactors.models import Models
from rig.reactors.notify import Notify
from rig.reactors.orders import Orders
from rig.reactors.presence import Presence
from rig.reactors.questions import Questions
from rig.reactors.recovery import Recovery
from rig.reactors.reporting import LogReporter
from rig.reactors.settings import LiveConfiguration
from rig.reactors.tracking import Tracking
from rig.reactors.vitals import Vitals
from rig.store.location import locate, open_store
from rig.store.lock import DirectoryLock
from rig.store.log import Log
from rig.text import one_line
from rig.vault.master import open_vault
from rig.vault.operator import leave_address, operator_token
from rig.vault.secrets import FILE as SECRETS_FILE
from rig.vault.secrets import SealedFile, resolve
from rig.wire import views
from rig.work.executor import Executor
from rig.work.logs import LogStore
from rig.work.peers import AttemptPeers
from rig.work.workspace import Workspaces

log = logging.getLogger(__name__)


class Service:
    """A daemon. ``start`` builds it from the bottom up; leaving ``stack`` takes it down in reverse."""

    def __init__(self, settings: Configuration, stack: AsyncExitStack, fatal: Any) -> None:
        self.settings = settings
        self._stack = stack
        self._fatal = fatal
        self._tasks: set[asyncio.Task[Any]] = set()
        self.clock = SystemClock()
        self.ids = SystemIds()
        self.lag = LoopLag()

    async def start(self) -> Serving:
        """Everything in order; the listener is last. Raises RigError, and what was started is taken down by ``stack``."""
        self.store = await self._open_store()
        seen = await self.store.read(newest_instant)
        self._stack.callback(self._cancel_tasks)
        self.faults = FaultRecorder(self.store, asyncio.get_running_loop())
        self._stack.push_async_callback(self.faults.note, "daemon", "daemon_stopped", {"pid": os.getpid()})
        self.token = operator_token(self.settings.data_dir, self.ids)
        self.vault = open_vault(self.settings.data_dir, self.settings.key_file)
        self.secrets = SealedFile(self.vault, self.settings.data_dir / SECRETS_FILE)
        start = LiveConfiguration(self.settings, self.store, self.secrets).current  # with the overlay; models come with plugins
        self.plugins = self._load_plugins(start.settings)
        self._stack.callback(self.plugins.stop)
        self.live = LiveConfiguration(self._known_to_plugins(), self.store, self.secrets)
        self._stack.callback(self.store.listen(self.live.hear))
        self._follow_plugins()
        self.live.on_change(lambda _: self._follow_plugins())
        self._refuse_open_bind()
        self.hooks = ConfiguredHooks(self._settings_now, self.plugins.webhook_sources, self.secrets, self.store)
        self.prices = PriceBook(
            Path(p) if (p := self.settings.settings.prices.file) else None, lambda: self.plugins.price_sources.values()
        )
        self._background(self.prices.learn("claude-sonnet-4-5"), "loading the prices")
        self.happenings = Happenings(self.plugins)
        self._stack.push_async_callback(self.happenings.stop)
        self.gates = Gates(self.happenings, self.store)
        self._stack.callback(self.store.listen(self.gates.hear))
        self.inbox = self._make_inbox()
        self.system = self._make_system()
        self._stack.push_async_callback(self.system.stop)
        self.questions = Questions(self.store, self.system, self.happenings, self.clock, self.ids)
        self._stack.push_async_callback(self.questions.stop)
        self._stack.callback(self.store.listen(self.questions.hear))
        self.dispatch = self._make_work()
        self.notify = Notify(self.store, self.plugins.notifiers, self.clock, lambda: self._settings_now().server.public_url)
        self._stack.callback(self.store.listen(self.notify.hear))
        self.tracking = Tracking(self.store, self.plugins.trackers, self.clock, self._settings_now)
        duties = Duties(self.store, self.system, self.clock, self._settings_now, lambda: self.vitals.report())
        await duties.begin(seen)
        self._background(watch_clock(self.clock, self.faults), "watching the clock")
        self.lag.start()
        self._stack.callback(self.lag.stop)
        await self.faults.note("daemon", "daemon_started", {"version": __version__, "pid": os.getpid()})
        server = self.live.current.settings.server
        self.serving = await serve(make_app(self._deps()), server.host, server.port)
        self._stack.push_async_callback(self.serving.stop)
        handlers = {**leases.handlers(self.system), **self.inbox.handlers(), "duty": duties.fire, "tracker": self.tracking.fire}
        grace = self.live.current.settings.duties.lease_grace_seconds
        self._background(Timers(self.store, self.clock, handlers, grace=grace).run(), "the timers")
        self._background(self.notify.run(), "notifications")
        self._background(self.tracking.run(), "trackers")
        leave_address(self.settings.data_dir, self.serving.url)
        self._stack.callback(leave_address, self.settings.data_dir, None)
        self._background(self._start_work(), "dispatch")
        return self.serving

    # Parts

    async def _open_store(self) -> Log:
        location = locate(self.settings.settings.store.url, self.settings.data_dir)
        config.usable_data_dir(self.settings.data_dir)
        if location.kind == "postgres":  # what is not the log is in the data directory, and one daemon's alone
            self._stack.callback(DirectoryLock(self.settings.data_dir).release)
        opened = open_store(location, clock=self.clock, ids=self.ids, on_fatal=self._fatal)
        if opened.verify_older is not None:
            self._background(opened.verify_older(), "verifying the log")
        self._stack.push_async_callback(opened.log.close)
        return opened.log

    def _make_inbox(self) -> Inbox:
        return Inbox(
            self.store,
            FolderBlobs(self.settings.data_dir / "deliveries"),
            self.clock,
            hooks=self.hooks,
            settings=self.hooks.settings,
            price=self.prices.cost,
            policy=lambda: Policy(**self._settings_now().webhooks.model_dump()),
        )

    def _make_work(self) -> Dispatch:
        """Executor, reporter, recovery and dispatch; nothing runs before ``_start_work``."""
        data_dir = self.settings.data_dir
        self.logs = LogStore(data_dir / "logs", FolderBlobs(data_dir / "blobs"), self.clock)
        self._stack.callback(self.logs.close)
        settings = self._settings_now
        presence = Presence(self.store)
        reporter = LogReporter(self.store, self.system, settings, self.prices, self.gates, self.questions, presence, self.clock)
        executor = Executor(
            slots=settings().executor.slots,
            workspaces=Workspaces(self.settings.workspace_root, lambda: work_settings.workspaces(settings())),
            logs=self.logs,
            homes=data_dir / "homes",
            providers=self._provider,
            reporter=reporter,
            settings=lambda: work_settings.executor(settings()),
            ids=self.ids,
        )
        self.live.on_change(lambda now: setattr(executor, "slots", now.settings.executor.slots))
        grants = self.grants = Granter(
            settings, self.secrets, lambda: self.serving.url, lambda: (self.token, *self.hooks.secrets())
        )
        orders = Orders(self.store, grants, self.ids)
        dispatch = Dispatch(self.store, self.system, executor, settings, orders, presence, self.gates, self.clock, self.ids)
        self.recovery = Recovery(self.store, self.system, executor, presence, self.clock)
        reporter.dispatch = dispatch
        self.live.on_change(lambda _: dispatch.wake())
        self._stack.push_async_callback(dispatch.stop)
        return dispatch

    async def _start_work(self) -> None:
        self._stack.callback(self.store.listen(self.dispatch.hear))
        await self.recovery.run()
        await self.dispatch.run()

    def _settings_now(self) -> Settings:
        return self.live.current.settings

    def _provider(self, name: str) -> tuple[Provider, Any]:
        provider = self.plugins.provider(name)
        return provider, provider.configure(self._settings_now().providers.get(name))

    def _load_plugins(self, settings: Settings) -> PluginHost:
        known = replace(
            PluginSettings.of(settings.plugins.whole()), secret=lambda text: resolve(text, DEFAULT_TENANT, self.secrets)
        )
        host = PluginHost(known, on_fault=self.faults.plugin)
        host.load()
        for record in host.records():
            if record.state in BROKEN:
                log.warning("the plugin %s is not loaded: %s: %s", record.name, record.state, one_line(record.last_error or ""))
        for name in known.config.keys() - {record.name for record in host.records()}:
            log.warning("the configuration has [plugins.%s], and no such plugin is installed", one_line(name))
        for source in settings.webhook_sources:
            if source.type not in host.webhook_sources:
                types = ", ".join(sorted(host.webhook_sources))
                log.warning("webhook source %s: no plugin reads the type %s; there are: %s", source.name, source.type, types)
        if settings.dispatch.enabled and settings.dispatch.provider not in host.providers:
            names = ", ".join(sorted(host.providers))
            log.warning("dispatch.provider: there is no provider %r; there are: %s", settings.dispatch.provider, names)
        return host

    def _known_to_plugins(self) -> Configuration:
        models = {name: p.registration.config for name, p in self.plugins.providers.items() if p.registration.config}
        return self.settings.knowing(providers=models, plugins=self.plugins.config_models())

    def _follow_plugins(self) -> None:
        """Let ``plugins.disabled`` hold where it was changed at run time, perhaps by another daemon."""
        self._background(self.plugins.follow(lambda: self._settings_now().plugins.disabled), "switching plugins")

    def _make_system(self) -> System:
        return System(
            self.store,
            self.clock,
            self.ids,
            leases.KINDS,
            max_active=self.live.current.settings.actors.max_active,
            config_version=lambda: self.live.version,
            on_exit=self._fatal,
        )

    def _deps(self) -> Deps:
        settings = self.live.current.settings
        bus = Bus(self._newest, self._show_row)
        vitals = self.vitals = Vitals(
            self.store,
            bus,
            self.plugins,
            self.clock,
            self.lag.worst,
            self.settings.data_dir,
            self._known_health,
            self.grants.setups,
        )
        models = Models(self.plugins, lambda: self._settings_now().providers, self.clock)
        registry = CollectorRegistry()
        registry.register(Gauges(self.store, self.system, self.dispatch.groups, self.lag.worst))
        return Deps(
            registry=registry,
            store=self.store,
            system=self.system,
            clock=self.clock,
            ids=self.ids,
            bus=bus,
            price=self.prices.cost,
            learn=self.prices.learn,
            completion=self.gates.completion,
            models=lambda name: models.of(name or self._settings_now().dispatch.provider),
            logs=self.logs,
            config=self.live,
            health=vitals.report,
            plugins=self.plugins,
            trackers=self.tracking,
            ready=vitals.unready,
            hooks=self.hooks,
            inbox=self.inbox,
            peer_attempt=AttemptPeers(self.dispatch.groups),
            tenants=vitals.tenants,
            settings=HttpSettings(
                auth_mode=settings.auth.mode,
                loopback_bind=is_loopback(settings.server.host),
                operator_token=self.token,
                submit_keys=tuple(
                    resolve(k.get_secret_value(), DEFAULT_TENANT, self.secrets) for k in settings.auth.submit_api_keys
                ),
                allowed_hosts=tuple(settings.server.allowed_hosts),
                public_url=settings.server.public_url,
            ),
            success_state=lambda: self.live.current.settings.dispatch.success_state,
            retry_after=lambda attempt: backoff(attempt, self.live.current.settings.dispatch.max_retry_backoff_ms),
            seal=lambda data: self.vault.seal(DEFAULT_TENANT, "answer", 1, data),
            unseal=lambda data: self.vault.open(DEFAULT_TENANT, "answer", 1, data),
        )

    def _known_health(self) -> list[tuple[str, CheckResult]]:
        """What of deep health needs no check."""
        return [*self.notify.health(), *self.tracking.health()]

    def _newest(self, tenant: str) -> int:
        with self.store.snapshot() as snapshot:
            return snapshot.as_of(tenant)

    def _show_row(self, tenant: str, view: str, key: str, row: Any) -> Any:
        """A changed row as its list shows it; the queue shows issues that may be handed out."""
        if view == "queue":
            row = self.store.get(ISSUES, tenant, key) if row.ready else None
        if view == "issues" and waits_for(row):
            return views.issue(row, Cycles(lambda stream: waits_for(self.store.get(ISSUES, tenant, stream))).of(key))
        return None if row is None else views.shown(view, row, self.clock.now())

    # Starting and stopping

    def _refuse_open_bind(self) -> None:
        """An address that others reach needs a key that lets them in (conventions §7)."""
        host = self.live.current.settings.server.host
        if is_loopback(host) or self.live.current.settings.auth.submit_api_keys:
            return
        with self.store.snapshot() as snapshot:
            for tenant in snapshot.tenants():
                rows = snapshot.page(Query(KEYS, tenant, (("api", "=", 1),), limit=10_000))
                if any(row.revoked_at is None for _, row in rows):
                    return
        raise ConfigError(f"{host} can be reached by others and there is no key yet; make one: rig key create NAME")

    def _background(self, job: Any, what: str) -> None:
        task = asyncio.ensure_future(job)
        self._tasks.add(task)

        def done(task: "asyncio.Task[Any]") -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("%s failed", what, exc_info=error)

        task.add_done_callback(done)

    def _cancel_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
