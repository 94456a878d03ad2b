"""Things of isolated plugins: each is what the plugin registered, and does its work in the plugin's process."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rig.model.health import CheckResult, NothingToCheck
from rig.model.tracking import TrackedIssue
from rig.plugin import parcels
from rig.plugin.contexts import HealthContext
from rig.plugin.isolated import PluginProcess
from rig.plugin.notifier import Notification
from rig.plugin.steps import StepContext, StepResult
from rig.plugin.tracker import PollContext, TrackerPage


class IsolatedChecker:
    """A ``rig.HealthChecker`` whose check runs in the plugin's process."""

    def __init__(self, process: PluginProcess, thing: parcels.Thing) -> None:
        self.name, self.critical = thing.name, thing.critical
        self._process = process
        self._hook = thing.hook

    async def check(self, context: HealthContext) -> CheckResult | NothingToCheck:
        return parcels.unpack_result(await self._process.call(self._hook, self.name, await parcels.pack_health(context)))


class IsolatedNotifier:
    """A ``rig.Notifier`` that sends from the plugin's process."""

    def __init__(self, process: PluginProcess, thing: parcels.Thing) -> None:
        self.name, self.kinds = thing.name, tuple(thing.kinds)
        self._process = process
        self._hook = thing.hook

    async def send(self, notification: Notification) -> None:
        await self._process.call(self._hook, self.name, parcels.pack_notification(notification))


class IsolatedTracker:
    """A ``rig.Tracker`` that is asked in the plugin's process."""

    def __init__(self, process: PluginProcess, thing: parcels.Thing) -> None:
        self.name = thing.name
        self._process = process
        self._hook = thing.hook

    async def poll(self, context: PollContext) -> TrackerPage:
        return parcels.unpack_page(await self._process.call(self._hook, self.name, asdict(context)))

    async def fetch(self, ids: Sequence[str]) -> Sequence[TrackedIssue]:
        return parcels.unpack_found(await self._process.call(self._hook, self.name, {"ids": list(ids)}))


class IsolatedStep:
    """A ``rig.StepKind`` whose steps run in the plugin's process."""

    params: type[Any] | None = None
    """The child has the model and validates."""

    def __init__(self, process: PluginProcess, thing: parcels.Thing) -> None:
        self.name = thing.name
        self._process = process
        self._hook = thing.hook

    async def run(self, context: StepContext) -> StepResult:
        return parcels.unpack_step_result(await self._process.call(self._hook, self.name, parcels.pack_step(context)))
